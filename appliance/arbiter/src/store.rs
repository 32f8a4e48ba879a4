//! Owns: the thread on which the database runs, so that a slow disk never keeps a heartbeat waiting.
//! Never: decides what is stored; drops a job.
//! Called by: run, documents, bus (receipts that wait).

use crate::ledger::{Ledger, LedgerError};
use std::sync::mpsc;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce(&mut Ledger) + Send>;

/// Sends jobs to the database's thread, which does them in order.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
}

/// Why an answer did not come.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The thread is gone.
    #[error("database: its thread is gone [org.parloir.Error.Storage]")]
    Gone,
}

impl Store {
    /// Moves the database to a thread of its own, which ends when the last `Store` is dropped.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(mut ledger: Ledger) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("store".into()).spawn(move || {
            for job in queue {
                job(&mut ledger);
            }
        })?;
        Ok(Self { jobs })
    }

    /// Does a job and gives its answer.
    ///
    /// # Errors
    /// The job's own, or the thread is gone.
    pub async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Ledger) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.jobs.send(Box::new(move |ledger| {
            // The asker may have given up; the job is done all the same.
            let _ = reply.send(job(ledger));
        }));
        if sent.is_err() {
            return Err(StoreError::Gone);
        }
        Ok(answer.await.map_err(|_| StoreError::Gone)??)
    }

    /// Does a job whose failure is only logged.
    pub fn tell(&self, what: &'static str, job: impl FnOnce(&mut Ledger) -> Result<(), LedgerError> + Send + 'static) {
        let sent = self.jobs.send(Box::new(move |ledger| {
            if let Err(error) = job(ledger) {
                tracing::warn!(what, %error, "not stored");
            }
        }));
        if sent.is_err() {
            tracing::warn!(what, "not stored: the database's thread is gone");
        }
    }
}
