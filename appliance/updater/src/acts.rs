//! Owns: how each act of the table is done.
//! Never: whether.
//! Called by: run (`step`).

use crate::code::{Code, Refused, line};
use crate::download::{self, Plan};
use crate::lease::Stage;
use crate::run::{News, Updater};
use crate::store::{Before, Failed, From, Of, Phase};
use crate::table::Act;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;

/// Lines of the failed trial's log that go into the report.
const TAIL: usize = 10;
/// Bytes of it that are looked at.
const MAX_LOG: u64 = 64 * 1024;

impl Updater {
    /// Does it. What could not be written down must not be done.
    pub(crate) fn act(&mut self, act: Act) -> Result<(), Refused> {
        match act {
            Act::PollNow => self.poll_soon(),
            Act::Download => return self.begin_download(),
            Act::StopDownload => {
                if let Some(task) = self.download.take() {
                    task.abort();
                }
            }
            Act::Inspect => self.inspect(),
            Act::AskInstall => self.ask(Stage::Install),
            Act::AskRestart => self.ask(Stage::Restart),
            Act::DropLease => self.lease = None,
            Act::RecordBefore => return self.record_before(),
            Act::Install => self.install(false),
            Act::WatchInstall => self.install(true),
            Act::RecordInstalled => self.record_installed(),
            Act::RecordFall => self.record_fall(),
            Act::Restart => self.leave_word("restart"),
            Act::TakeBackRestart => {
                let _ = fs::remove_file(self.settings.run.join("restart"));
            }
            Act::MarkGood => self.mark("good"),
            Act::MarkBack => self.mark("active"),
            Act::RaiseFloor => self.raise_floor(),
            Act::Remember => self.remember(),
            Act::Forget => self.forget(),
            Act::ReportTaken => {
                self.say_of_job("Offered");
                self.progress("download", "taken: it is being fetched");
            }
            Act::ReportDownloaded => self.progress("downloaded", "fetched; its hash is what was promised"),
            Act::ReportWaiting => self.report_waiting(),
            Act::ReportInstalling => self.progress("proceeding", "is being written into the other slot"),
            Act::ReportInstalled => self.progress("proceeding", "written; waits for the restart"),
            Act::ReportSuccess => self.report_success(),
            Act::ReportFailure => self.report_failure(),
            Act::ConfirmCancel => self.answer_cancel(true),
            Act::RefuseCancel => self.answer_cancel(false),
        }
        Ok(())
    }

    /// Something under way that can be written down, or why not.
    pub(crate) fn write_down(&mut self, change: impl FnOnce(&mut Before)) -> Result<(), Refused> {
        let Some(job) = &mut self.job else { return Ok(()) };
        change(job);
        self.store.set_before(Some(job)).map_err(|e| Refused::new(Code::UpdateNoRoom, e.to_string()))
    }

    fn begin_download(&mut self) -> Result<(), Refused> {
        let from = From { slot: self.slots.booted.clone(), version: self.version.clone() };
        self.write_down(|job| (job.from, job.phase) = (from, Phase::Downloading))?;
        let (Some(client), Some(offer)) = (self.client.clone(), self.offer.clone()) else { return Ok(()) };
        let rate = if offer.forced { self.settings.rate } else { self.settings.rate / 4 };
        let plan = Plan { offer, part: self.store.part(), whole: self.store.bundle(), rate };
        // Until the arbiter has said that nobody is in a visit.
        self.quiet.send_replace(false);
        self.look();
        let (tell, quiet) = (self.tell.clone(), self.quiet.subscribe());
        self.download = Some(tokio::spawn(async move {
            let told = download::fetch(&client, &plan, quiet).await;
            let _ = tell.send(News::Downloaded(plan.offer.action, told)).await;
        }));
        Ok(())
    }

    fn inspect(&self) {
        let Some(action) = self.job.as_ref().map(|job| job.action.clone()) else { return };
        let (rauc, bundle, tell) = (self.rauc.clone(), self.store.bundle(), self.tell.clone());
        tokio::spawn(async move { tell.send(News::Inspected(action, rauc.inspect(&bundle).await)).await });
    }

    fn ask(&mut self, stage: Stage) {
        if self.asking {
            return;
        }
        self.asking = true;
        let version = self.job.as_ref().map_or_else(|| self.version.clone(), |job| job.version.clone());
        let (arbiter, camera, tell) = (self.arbiter.clone(), self.settings.camera.clone(), self.tell.clone());
        tokio::spawn(async move {
            // What the box is like before an installation is asked before each: an earlier answer may be of another hour, or none.
            if stage == Stage::Install {
                let health = arbiter.health(&camera).await;
                let _ = tell.send(News::Health(health)).await;
            }
            tell.send(News::Lease(stage, arbiter.begin(stage, &version).await)).await
        });
    }

    fn record_before(&mut self) -> Result<(), Refused> {
        let (boot, log, mut health) = (self.boot.clone(), self.log_state(), self.health);
        health.facility = true; // It is the server's own offer.
        self.write_down(|job| {
            (job.phase, job.boot, job.log, job.health) = (Phase::Installing, boot, log, health);
            job.tries += 1;
        })
    }

    fn install(&self, goes_on: bool) {
        let (rauc, bundle, tell) = (self.rauc.clone(), self.store.bundle(), self.tell.clone());
        tokio::spawn(async move {
            let told = if goes_on { rauc.watch().await } else { rauc.install(&bundle).await };
            tell.send(News::Installed(told)).await
        });
    }

    fn record_installed(&mut self) {
        if let Err(refused) = self.write_down(|job| job.phase = Phase::Installed) {
            // The slot is written and starts next. Without this line the next start finds out by the slots.
            tracing::warn!("{refused}");
        }
        self.told_wait.clear();
        self.say_of_job("Installed");
    }

    fn record_fall(&mut self) {
        let (code, why) = match &self.refused {
            Some(refused) => (refused.code.name().to_owned(), refused.what.clone()),
            None => (String::new(), String::new()),
        };
        if let Err(refused) = self.write_down(|job| (job.phase, job.code, job.why) = (Phase::Falling, code, why)) {
            tracing::warn!("{refused}");
        }
    }

    fn mark(&self, state: &'static str) {
        let (rauc, tell) = (self.rauc.clone(), self.tell.clone());
        tokio::spawn(async move { tell.send(News::Marked(rauc.mark(state).await)).await });
    }

    fn raise_floor(&mut self) {
        self.slots.is_good = true;
        self.leave_word("blessed");
        if let Err(e) = self.store.set_floor(&self.raised_floor()) {
            tracing::warn!("{e}");
        }
    }

    fn remember(&mut self) {
        let (Some(job), Some(refused)) = (&self.job, self.refused.as_ref().filter(|r| r.code.is_kept())) else { return };
        let failed = Failed {
            sha256: job.sha256.clone(),
            action: job.action.clone(),
            version: job.version.clone(),
            code: refused.code.name().to_owned(),
        };
        if let Err(e) = self.store.add_failed(failed) {
            tracing::warn!("{e}");
        }
    }

    fn forget(&mut self) {
        (self.job, self.offer, self.refused, self.download) = (None, None, None, None);
        self.waits_for.clear();
        self.told_wait.clear();
        self.note.clear();
        if let Err(e) = self.store.set_before(None) {
            tracing::warn!("{e}");
        }
    }

    /// Notes what the arbiter waits for.
    pub(crate) fn note_wait(&mut self, code: &str, hint: &str) {
        let words = line(&format!("waits: {code}: {hint}"));
        if self.waits_for != words {
            tracing::info!("{words}");
            self.waits_for = words;
        }
    }

    fn report_waiting(&mut self) {
        if self.told_wait != self.waits_for {
            self.told_wait.clone_from(&self.waits_for);
            self.progress("scheduled", &self.told_wait.clone());
        }
    }

    fn progress(&mut self, execution: &str, words: &str) {
        let Some((action, version)) = self.job.as_ref().map(|job| (job.action.clone(), job.version.clone())) else { return };
        self.report(Of::Deployment, &action, (execution, "none"), None, vec![line(&format!("{version}: {words}"))]);
    }

    fn report_success(&mut self) {
        self.say_of_job("Blessed");
        let Some(job) = &self.job else { return };
        let (action, mut words) =
            (job.action.clone(), format!("{}: runs and is kept; {} ran before", self.version, job.from.version));
        if !self.note.is_empty() {
            words = line(&format!("{words}; note: {}", self.note));
        }
        self.report(Of::Deployment, &action, ("closed", "success"), None, vec![words]);
    }

    fn report_failure(&mut self) {
        let (Some(job), Some(refused)) = (self.job.clone(), self.refused.clone()) else { return };
        let mut details = vec![format!("{}: {}; {} runs", job.version, refused.what, self.version)];
        if matches!(job.phase, Phase::Installed | Phase::Trial | Phase::Falling) {
            self.say_of_job("FellBack");
            details.extend(self.tail());
        }
        self.say_of_job(refused.code.name());
        self.report(Of::Deployment, &job.action, ("closed", "failure"), Some(refused.code), details);
    }

    /// The end of what the failed trial's safety net wrote, if it did.
    fn tail(&self) -> Vec<String> {
        let mut text = Vec::new();
        let read = fs::File::open(&self.settings.trial_log).and_then(|file| file.take(MAX_LOG).read_to_end(&mut text));
        if read.is_err() || self.job.as_ref().is_some_and(|job| job.log == self.log_state()) {
            return vec!["the trial left no log".to_owned()];
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<String> = text.lines().map(line).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(TAIL)..].to_vec()
    }

    /// Which log lies there now: one of an earlier trial says nothing about this one.
    fn log_state(&self) -> String {
        let Ok(meta) = fs::metadata(&self.settings.trial_log) else { return String::new() };
        format!("{} {} {}", meta.len(), meta.ino(), meta.mtime_nsec())
    }

    fn say_of_job(&self, word: &str) {
        if let Some(job) = &self.job {
            self.say(&job.version, word);
        }
    }

    /// Tells ledger and screen.
    pub(crate) fn say(&self, version: &str, word: &str) {
        let _ = self.words.send((line(version), word.to_owned()));
    }
}
