//! Owns: the conversation with the update server: when it is asked, what its answers mean, the reports on their way to it.
//! Never: what follows from an offer or a cancel (the table); a report twice that arrived, or a later one before an earlier.
//! Called by: run.

use crate::client::Trouble;
use crate::code::{Code, Refused};
use crate::ddi::{self, Base, Cancel, ConfigData, Feedback, Poll, SLEEP_ELSE, id_in};
use crate::health::Facility;
use crate::run::{News, Updater};
use crate::store::{Before, Of, Phase, Queue, Report, marker};
use crate::table::{Cause, State};
use hyper::Method;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Longest time between two polls while an update is under way: a cancel shall not wait.
const BUSY: Duration = Duration::from_secs(30);
/// The same in a trial: whether the server answers is what is waited for.
const TRIAL: Duration = Duration::from_secs(15);
/// First wait after a poll or a report that failed; it doubles.
const AGAIN: Duration = Duration::from_secs(5);
/// Longest wait.
const LATEST: Duration = Duration::from_secs(300);
/// Attempts of a report that the server answers with an error of ours.
const REPORT_TRIES: u32 = 5;
/// Actions that we remember to have closed in this run.
const MAX_CLOSED: usize = 32;

/// What the conversation needs to remember.
pub(crate) struct Desk {
    poll_at: Instant,
    polling: bool,
    /// Failed polls in a row.
    failures: u32,
    sleep: Duration,
    send_at: Instant,
    sending: bool,
    refusals: u32,
    configured: bool,
    closed: Vec<String>,
    trouble: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            // All boxes of a house come back at once when the power does.
            poll_at: now + spread(Duration::from_millis(800)),
            polling: false,
            failures: 0,
            sleep: SLEEP_ELSE,
            send_at: now,
            sending: false,
            refusals: 0,
            configured: false,
            closed: Vec::new(),
            trouble: String::new(),
        }
    }
}

/// A time, a tenth more or less.
#[must_use]
pub(crate) fn spread(time: Duration) -> Duration {
    let mut byte = [0];
    // Without chance all boxes ask at once, which is no reason not to ask.
    let _ = getrandom::fill(&mut byte);
    time.mul_f64(0.9 + f64::from(byte[0]) / 1275.0)
}

fn backoff(failures: u32) -> Duration {
    spread(AGAIN.saturating_mul(1 << failures.min(10)).min(LATEST))
}

impl Updater {
    pub(crate) fn poll_at(&self) -> Option<Instant> {
        let may = self.client.is_some() && self.state != State::Waking && !self.desk.polling;
        may.then_some(self.desk.poll_at)
    }

    pub(crate) fn poll_soon(&mut self) {
        self.desk.poll_at = Instant::now() + spread(Duration::from_millis(500));
    }

    pub(crate) fn poll(&mut self) {
        let Some(client) = self.client.clone() else { return };
        self.desk.polling = true;
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let path = client.path("");
            tell.send(News::Polled(client.get(&path).await)).await
        });
    }

    pub(crate) fn polled(&mut self, told: Result<Poll, Trouble>) {
        self.desk.polling = false;
        let poll = match told {
            Ok(poll) => poll,
            Err(trouble) => return self.unanswered(&trouble),
        };
        if !self.desk.trouble.is_empty() || self.facility != Facility::Session {
            tracing::info!("the update server answers");
        }
        self.desk.trouble.clear();
        self.facility = Facility::Session;
        self.desk.failures = 0;
        self.desk.sleep = poll.sleep();
        self.desk.poll_at = Instant::now() + spread(self.interval());
        if let Some(path) = poll.config_data().filter(|_| !self.desk.configured) {
            self.configure(path);
        }
        self.wanted(poll.deployment(), poll.cancel());
    }

    fn interval(&self) -> Duration {
        match self.state {
            State::Resting | State::Waking => self.desk.sleep,
            State::Trial | State::Blessing => self.desk.sleep.min(TRIAL),
            _ => self.desk.sleep.min(BUSY),
        }
    }

    fn unanswered(&mut self, trouble: &Trouble) {
        self.desk.failures += 1;
        if self.facility != Facility::Session {
            self.facility = if trouble.is_outage() { Facility::Outage } else { Facility::NoSession };
        }
        let words = trouble.to_string();
        if self.desk.trouble != words {
            tracing::warn!(code = "UpdateServer", "update server {}: {words}: it is asked again", self.settings.server);
            self.desk.trouble = words;
        }
        let wait = trouble.retry_after().unwrap_or_else(|| backoff(self.desk.failures - 1));
        let most = if self.state == State::Trial { TRIAL } else { Duration::MAX };
        self.desk.poll_at = Instant::now() + wait.min(most);
    }

    /// What a poll says is wanted of us.
    fn wanted(&mut self, deployment: Option<String>, cancel: Option<String>) {
        if let Some(path) = cancel {
            return self.fetch(path, News::Cancel);
        }
        let under_way = matches!(self.state, State::Downloading | State::Inspecting | State::WaitInstall | State::WaitRestart);
        match deployment {
            Some(path) => {
                let id = id_in(&path).to_owned();
                let ours = self.job.as_ref().is_some_and(|job| job.action == id);
                if under_way && !ours {
                    tracing::info!(action = id, "the server offers another update instead");
                    self.step(Cause::Withdrawn);
                } else if self.state == State::Resting && !self.has_closed(&id) {
                    self.fetch(path, News::Base);
                }
            }
            None if under_way => {
                tracing::info!("the server does not offer the update any more");
                self.step(Cause::Withdrawn);
            }
            None => {}
        }
    }

    fn fetch<T: serde::de::DeserializeOwned + Send + 'static>(
        &self,
        path: String,
        news: impl FnOnce(Result<T, Trouble>) -> News + Send + 'static,
    ) {
        let Some(client) = self.client.clone() else { return };
        let tell = self.tell.clone();
        tokio::spawn(async move { tell.send(news(client.get(&path).await)).await });
    }

    pub(crate) fn offered(&mut self, told: Result<Base, Trouble>) {
        let base = match told {
            Ok(base) => base,
            Err(trouble) => return tracing::info!("the offer cannot be read: {trouble}: at the next poll again"),
        };
        if self.state != State::Resting || base.id().is_empty() || self.has_closed(base.id()) {
            return;
        }
        let offer = match base.offer() {
            Ok(offer) => offer,
            Err(refused) => return self.refuse(base.id(), "", &refused),
        };
        if offer.skipped {
            return tracing::info!(action = offer.action, "the server offers an update for a later time");
        }
        let running = self.running();
        if running.is(&offer.sha256) {
            let words = format!("{} runs already", offer.version);
            return self.report(Of::Deployment, &offer.action, ("closed", "success"), None, vec![words]);
        }
        if let Err(refused) = ddi::judge(&offer, &running, self.store.failed(&offer.sha256).as_ref()) {
            return self.refuse(&offer.action, &offer.version, &refused);
        }
        // What was begun before a restart goes on; of another update nothing is kept.
        let known = self.store.before().filter(|before| before.action == offer.action && before.sha256 == offer.sha256);
        if known.is_none() {
            let _ = self.store.set_before(None).map_err(|e| tracing::warn!("{e}"));
        }
        self.job = Some(Before {
            action: offer.action.clone(),
            sha256: offer.sha256.clone(),
            version: offer.version.clone(),
            forced: offer.forced,
            boot: self.boot.clone(),
            phase: Phase::Downloading,
            ..known.unwrap_or_default()
        });
        self.offer = Some(offer);
        self.step(Cause::Offered);
    }

    /// Refuses an offer that is not taken up at all.
    fn refuse(&mut self, action: &str, version: &str, refused: &Refused) {
        tracing::warn!("update {version}: {refused}");
        self.say(version, refused.code.name());
        self.report(Of::Deployment, action, ("closed", "failure"), Some(refused.code), vec![refused.what.clone()]);
    }

    pub(crate) fn cancelled(&mut self, told: Result<Cancel, Trouble>) {
        let cancel = match told {
            Ok(cancel) => cancel,
            Err(trouble) => return tracing::info!("the cancel cannot be read: {trouble}: at the next poll again"),
        };
        let waits = self.store.queue().entries.iter().any(|r| r.of == Of::Cancel && r.action == cancel.id);
        if cancel.id.is_empty() || waits {
            return;
        }
        let stops = if cancel.stops().is_empty() { &cancel.id } else { cancel.stops() }.to_owned();
        let asked = cancel.id.clone();
        self.cancel = Some(cancel.id);
        // The server ends the action by whose number it asks, whatever else its body names.
        if self.is_about(&asked) || self.is_about(&stops) {
            self.step(Cause::Withdrawn);
        } else {
            self.answer_cancel(!self.has_closed(&asked) && !self.has_closed(&stops));
        }
    }

    /// Answers a cancel, if one was asked.
    pub(crate) fn answer_cancel(&mut self, stopped: bool) {
        let Some(id) = self.cancel.take() else { return };
        let (status, words) =
            if stopped { (("closed", "success"), "stopped") } else { (("rejected", "none"), "too late to stop it") };
        self.report(Of::Cancel, &id, status, None, vec![format!("{words} ({})", self.state.name())]);
    }

    fn has_closed(&self, action: &str) -> bool {
        self.desk.closed.iter().any(|closed| closed == action)
            || self.store.queue().entries.iter().any(|r| r.of == Of::Deployment && r.action == action && r.execution == "closed")
    }

    /// Puts a report on its way; it is on the disk when this returns.
    pub(crate) fn report(&mut self, of: Of, action: &str, status: (&str, &str), code: Option<Code>, mut details: Vec<String>) {
        if let Some(code) = code {
            details.insert(0, format!("org.parloir.Error.{}: {}", code.name(), code.hint()));
        }
        let mut queue = self.store.queue();
        queue.push(Report {
            of,
            action: action.to_owned(),
            execution: status.0.to_owned(),
            finished: status.1.to_owned(),
            code: code.map_or("", Code::name).to_owned(),
            details,
            ..Report::default()
        });
        if let Err(e) = self.store.set_queue(&queue) {
            tracing::warn!("a report is lost: {e}");
        }
        if of == Of::Deployment && status.0 == "closed" {
            self.desk.closed.push(action.to_owned());
            let over = self.desk.closed.len().saturating_sub(MAX_CLOSED);
            self.desk.closed.drain(..over);
        }
        if self.desk.refusals == 0 {
            self.desk.send_at = Instant::now();
        }
    }

    pub(crate) fn send_at(&self) -> Option<Instant> {
        let may = self.client.is_some() && !self.desk.sending && !self.store.queue().entries.is_empty();
        may.then_some(self.desk.send_at)
    }

    /// Sends the first report. That it may have been sent is on the disk before a byte of it leaves.
    pub(crate) fn send(&mut self) {
        let Some(client) = self.client.clone() else { return };
        let mut queue = self.store.queue();
        let Some(first) = queue.entries.first_mut() else { return };
        let report = first.clone();
        first.tried = true;
        if !report.tried && self.store.set_queue(&queue).map_err(|e| tracing::warn!("{e}")).is_err() {
            self.desk.send_at = Instant::now() + backoff(3);
            return;
        }
        self.desk.sending = true;
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let base = match report.of {
                Of::Deployment => client.path(&format!("/deploymentBase/{}", report.action)),
                Of::Cancel => client.path(&format!("/cancelAction/{}", report.action)),
            };
            // A doubt: the server's own history of the action knows whether the report came.
            if report.tried && report.of == Of::Deployment {
                match client.get::<Base>(&format!("{base}?actionHistory=-1")).await {
                    Ok(known) if known.remembers(&marker(report.report)) => {
                        return tell.send(News::Sent(report.report, Ok(()))).await;
                    }
                    Err(trouble) if !trouble.is_gone() => return tell.send(News::Sent(report.report, Err(trouble))).await,
                    Ok(_) | Err(_) => {}
                }
            }
            let sent = client.write(Method::POST, &format!("{base}/feedback"), &Feedback::of(&report)).await;
            tell.send(News::Sent(report.report, sent)).await
        });
    }

    pub(crate) fn sent(&mut self, report: u64, told: Result<(), Trouble>) {
        self.desk.sending = false;
        let done = match &told {
            Ok(()) => true,
            Err(trouble) if trouble.is_gone() || self.is_late_cancel(report, trouble) => {
                tracing::info!(report, "the server has closed the action: {trouble}");
                true
            }
            Err(Trouble::Status { status: 400..=499, .. }) if self.desk.refusals >= REPORT_TRIES && !self.is_stranger(&told) => {
                tracing::warn!(code = "UpdateReport", report, "the server does not take a report");
                true
            }
            Err(_) => false,
        };
        if done {
            let mut queue = self.store.queue();
            queue.entries.retain(|r| r.report != report);
            if let Err(e) = self.store.set_queue(&queue) {
                tracing::warn!("{e}");
            }
            self.desk.refusals = 0;
            self.desk.send_at = Instant::now();
        } else if let Err(trouble) = told {
            tracing::info!(report, "a report waits: {trouble}");
            let wait = trouble.retry_after().unwrap_or_else(|| backoff(self.desk.refusals));
            self.desk.refusals += 1;
            self.desk.send_at = Instant::now() + wait;
        }
    }

    /// hawkBit's answer to a word about a cancel that it does not wait for any more.
    fn is_late_cancel(&self, report: u64, trouble: &Trouble) -> bool {
        let of = |queue: Queue| queue.entries.iter().any(|r| r.report == report && r.of == Of::Cancel);
        matches!(trouble, Trouble::Status { status: 405, .. }) && of(self.store.queue())
    }

    /// The server does not know us, or has enough of us: no fault of the report.
    fn is_stranger(&self, told: &Result<(), Trouble>) -> bool {
        matches!(told, Err(Trouble::Status { status: 401 | 403 | 408 | 429, .. }))
    }

    fn configure(&mut self, path: String) {
        let Some(client) = self.client.clone() else { return };
        let (tell, version, slots) = (self.tell.clone(), self.version.clone(), self.slots.clone());
        self.desk.configured = true;
        tokio::spawn(async move {
            let data = BTreeMap::from([
                ("version", version.as_str()),
                ("slot", slots.booted.as_str()),
                ("compatible", slots.compatible.as_str()),
            ]);
            let told = client.write(Method::PUT, &path, &ConfigData { mode: "merge", data }).await;
            tell.send(News::Configured(told)).await
        });
    }

    pub(crate) fn configured(&mut self, told: Result<(), Trouble>) {
        if let Err(trouble) = told {
            tracing::info!("the server did not take the box's attributes: {trouble}: at the next poll again");
            self.desk.configured = false;
        }
    }
}
