//! Owns: the thread on which the disk is written, so that a slow one never keeps a heartbeat waiting, and what waits for a disk that
//! takes nothing.
//! Never: decides what is stored; forgets a revocation, a floor or an acknowledgement while the process lives.
//! Called by: run, effects.

use crate::disk::Disk;
use crate::ledger::{Entry, Ledger, LedgerError};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Jobs that wait for the thread. A disk that hangs for so long keeps no record of a visit either, so that no door opens.
const QUEUE: usize = 1024;
/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Ledger rows that wait for a disk that takes none; those beyond are counted, and the number is written.
const MAX_ROWS: usize = 256;

type Job = Box<dyn FnOnce(&mut Disk) + Send>;
type Again = Box<dyn FnMut(&mut Disk) -> Result<(), LedgerError> + Send>;

enum Work {
    /// Somebody waits for the answer.
    Ask(Job),
    /// To be done now or not at all.
    Once(&'static str, Again),
    /// To be done until it is done.
    Must(&'static str, Again),
    /// A ledger row.
    Row(Entry),
}

/// Sends jobs to the disk's thread, which does them in order.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: SyncSender<Work>,
    restart: Arc<AtomicBool>,
}

/// Why an answer did not come.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// More waits than may.
    #[error("database: the disk has not answered for long; look at its health [org.parloir.Error.Storage]")]
    Busy,
    /// The thread is gone.
    #[error("database: its thread is gone [org.parloir.Error.Storage]")]
    Gone,
}

impl Store {
    /// Moves the disk to a thread of its own, which ends when the last `Store` is dropped.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(disk: Disk) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel(QUEUE);
        let restart = Arc::new(AtomicBool::new(false));
        let (duties, rows) = (VecDeque::new(), VecDeque::new());
        let mut clerk = Clerk { disk, duties, rows, left_out: 0, failing: false, restart: restart.clone() };
        std::thread::Builder::new().name("store".into()).spawn(move || clerk.run(&queue))?;
        Ok(Self { jobs, restart })
    }

    /// Whether the arbiter has to start again to see what is on the disk now.
    #[must_use]
    pub fn wants_restart(&self) -> bool {
        self.restart.load(Ordering::Relaxed)
    }

    /// Does a job on the database and gives its answer.
    ///
    /// # Errors
    /// The job's own; no database; the thread is gone.
    pub async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job = Work::Ask(Box::new(move |disk| {
            let done = disk.ledger().and_then(job);
            if let Err(error) = &done
                && error.is_unreadable()
            {
                disk.damaged(error);
            }
            // The asker may have given up; the job is done all the same.
            let _ = reply.send(done);
        }));
        match self.jobs.try_send(job) {
            Ok(()) => Ok(answer.await.map_err(|_| StoreError::Gone)??),
            Err(TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(StoreError::Gone),
        }
    }

    /// Does a job whose failure is only logged.
    pub fn tell(&self, what: &'static str, mut job: impl FnMut(&mut Ledger) -> Result<(), LedgerError> + Send + 'static) {
        self.send(what, Work::Once(what, Box::new(move |disk| job(disk.ledger()?))));
    }

    /// Does a job, again and again until the disk takes it.
    pub fn must(&self, what: &'static str, job: impl FnMut(&mut Disk) -> Result<(), LedgerError> + Send + 'static) {
        self.send(what, Work::Must(what, Box::new(job)));
    }

    /// Appends a row; while the disk takes none it waits with its time in it.
    pub fn append(&self, row: Entry) {
        self.send("ledger row", Work::Row(row));
    }

    fn send(&self, what: &'static str, work: Work) {
        if let Err(error) = self.jobs.try_send(work) {
            tracing::warn!(what, %error, "not stored");
        }
    }
}

/// The thread's own.
struct Clerk {
    disk: Disk,
    /// What the disk did not take and must; the order among them does not matter.
    duties: VecDeque<(&'static str, Again)>,
    /// Rows that it did not take, in order.
    rows: VecDeque<Entry>,
    /// Rows that found no place among them.
    left_out: u64,
    failing: bool,
    restart: Arc<AtomicBool>,
}

impl Clerk {
    fn run(&mut self, queue: &mpsc::Receiver<Work>) {
        loop {
            match queue.recv_timeout(RETRY) {
                Ok(Work::Ask(job)) => {
                    self.catch_up();
                    job(&mut self.disk);
                }
                Ok(Work::Once(what, mut job)) => {
                    let done = job(&mut self.disk);
                    self.failed(what, &done);
                }
                Ok(Work::Must(what, mut job)) => {
                    let done = job(&mut self.disk);
                    if self.failed(what, &done) {
                        self.duties.push_back((what, job));
                    }
                }
                Ok(Work::Row(row)) => {
                    self.rows.push_back(row);
                    self.write_rows();
                    while self.rows.len() > MAX_ROWS {
                        self.rows.pop_back();
                        self.left_out += 1;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.disk.retry();
                    self.catch_up();
                    self.look_again();
                    self.restart.store(self.disk.wants_restart(), Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Disconnected) => return self.catch_up(),
            }
        }
    }

    /// Does what waits.
    fn catch_up(&mut self) {
        while let Some((what, mut job)) = self.duties.pop_front() {
            let done = job(&mut self.disk);
            if self.failed(what, &done) {
                self.duties.push_front((what, job));
                return;
            }
        }
        self.write_rows();
    }

    fn write_rows(&mut self) {
        while let Some(row) = self.rows.front() {
            let done = self.disk.ledger().and_then(|ledger| ledger.append(row)).map(|_| ());
            if self.failed("ledger row", &done) {
                return;
            }
            self.rows.pop_front();
        }
        if self.left_out > 0 && self.disk.note_left_out(self.left_out).is_ok() {
            tracing::warn!(left_out = std::mem::take(&mut self.left_out), "ledger rows were left out while the disk took none");
        }
    }

    /// A job that had nothing to write proves nothing: the end of a series of failures is a write of its own.
    fn look_again(&mut self) {
        if self.failing && self.disk.ledger().and_then(Ledger::probe).is_ok() {
            self.failing = false;
            tracing::info!("the disk takes writes again");
        }
    }

    /// Whether the disk failed, so that the same may be tried again. Logs the first of a series of failures.
    fn failed(&mut self, what: &'static str, done: &Result<(), LedgerError>) -> bool {
        let Err(error) = done else { return false };
        if error.is_unreadable() {
            self.disk.damaged(error);
        }
        let again = error.is_the_disks();
        if !again || !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(what, %error, "not stored");
        }
        again
    }
}
