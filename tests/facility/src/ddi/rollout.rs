//! Owns: the actions of this site's boxes and what each feedback makes of them, as hawkBit's controller management does it (version 0.9, 2026).
//! Never: a socket, a file, a clock.
//! Called by: web, orders; tested in tests/ddi.rs.

use super::says::{Execution, Feedback, Finished};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Most actions that are remembered; the oldest that is over goes.
const MAX_ACTIONS: usize = 256;
/// Most feedbacks of an action (hawkBit's `maxStatusEntriesPerAction`).
pub const MAX_FEEDBACKS: usize = 1000;
/// Most details of a feedback (hawkBit's `maxMessagesPerActionStatus`).
pub const MAX_DETAILS: usize = 50;

/// Where an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The box was not yet here for it, or is at it.
    Running,
    /// The box read what to do.
    Retrieved,
    /// The operator took it back; the box has not yet said what it makes of that.
    Canceling,
    /// The box agreed.
    Canceled,
    /// The box said success.
    Finished,
    /// The box said failure.
    Error,
}

impl State {
    /// As events say it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Retrieved => "retrieved",
            Self::Canceling => "canceling",
            Self::Canceled => "canceled",
            Self::Finished => "finished",
            Self::Error => "error",
        }
    }
}

/// How much of a wish an action is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handling {
    /// Not now.
    Skip,
    /// The box may choose the time (soft).
    Attempt,
    /// At once (forced).
    Forced,
}

/// Whether a maintenance window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// Open.
    Available,
    /// Shut: download, do not install.
    Unavailable,
}

/// A bundle on our disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name in links.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha1: String,
    /// Lower-case hex.
    pub md5: String,
    /// Lower-case hex.
    pub sha256: String,
}

/// One wish for one box.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Action {
    /// Its number; grows.
    pub id: u64,
    /// What the operator calls it.
    pub version: String,
    /// Soft or forced.
    pub update: Handling,
    /// If the operator set one.
    pub window: Option<Window>,
    /// The bundle.
    pub artifact: Artifact,
    /// Where it is.
    pub state: State,
    /// Everything that the box said of it, in order.
    pub said: Vec<Said>,
}

/// One feedback, as it was taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Said {
    /// Of the deployment, or of its cancellation.
    pub cancel: bool,
    /// Word for word.
    pub feedback: Feedback,
}

impl Action {
    /// Whether the box still has to do something about it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        match self.state {
            State::Running | State::Retrieved | State::Canceling => true,
            State::Canceled | State::Finished | State::Error => false,
        }
    }

    /// Whether its cancellation can be read.
    #[must_use]
    pub fn is_canceling_or_canceled(&self) -> bool {
        matches!(self.state, State::Canceling | State::Canceled)
    }

    /// The number at the end of the deployment's link: another one when what the link leads to changed.
    #[must_use]
    pub fn etag(&self) -> u32 {
        let window = self.window.map_or(7, |w| if w == Window::Available { 11 } else { 13 });
        u32::try_from(self.id).unwrap_or(u32::MAX).wrapping_mul(31).wrapping_add(window + self.update as u32)
    }
}

/// Why a request of the box got no yes: HTTP's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum No {
    /// 404: no such action of this box, or not in the state in which this can be read.
    NotFound,
    /// 410: it is over.
    Gone,
    /// 405: nobody cancels it.
    NotCanceling,
    /// 429: said too much of it.
    TooMuch,
}

/// Why an order of the operator was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No such action.
    #[error("no action has this number: the order `actions` lists them")]
    Unknown,
    /// It is being cancelled, or was.
    #[error("it is being cancelled already")]
    Canceling,
    /// It is over.
    #[error("it is over: what happened stays")]
    Over,
}

/// All of one box.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rollout {
    actions: Vec<Action>,
    next: u64,
    installed: Option<u64>,
    /// What the box said of itself.
    pub attributes: BTreeMap<String, String>,
    /// It has said it since it was last asked.
    pub has_attributes: bool,
}

impl Rollout {
    /// A new wish. One that is open is taken back first: a box does one thing at a time, and hears of this one when it has let go.
    pub fn offer(&mut self, version: String, update: Handling, window: Option<Window>, artifact: Artifact) -> u64 {
        self.actions.iter_mut().filter(|a| a.is_active()).for_each(|a| a.state = State::Canceling);
        if self.actions.len() >= MAX_ACTIONS
            && let Some(over) = self.actions.iter().position(|a| !a.is_active() && Some(a.id) != self.installed)
        {
            self.actions.remove(over);
        }
        self.next += 1;
        let id = self.next;
        self.actions.push(Action { id, version, update, window, artifact, state: State::Running, said: Vec::new() });
        id
    }

    /// The operator takes an action back.
    ///
    /// # Errors
    /// There is nothing to take back.
    pub fn cancel(&mut self, id: u64) -> Result<(), Refused> {
        let action = self.actions.iter_mut().find(|a| a.id == id).ok_or(Refused::Unknown)?;
        match action.state {
            State::Canceling | State::Canceled => Err(Refused::Canceling),
            State::Finished | State::Error => Err(Refused::Over),
            State::Running | State::Retrieved => {
                action.state = State::Canceling;
                Ok(())
            }
        }
    }

    /// Sets soft or forced, or the maintenance window, of an open action.
    ///
    /// # Errors
    /// There is none of this number.
    pub fn change(&mut self, id: u64, update: Option<Handling>, window: Option<Window>) -> Result<(), Refused> {
        let action = self.actions.iter_mut().find(|a| a.id == id).ok_or(Refused::Unknown)?;
        if !action.is_active() {
            return Err(Refused::Over);
        }
        action.update = update.unwrap_or(action.update);
        action.window = window.or(action.window);
        Ok(())
    }

    /// What the box is to look at now: the oldest that is open.
    #[must_use]
    pub fn open(&self) -> Option<&Action> {
        self.actions.iter().find(|a| a.is_active())
    }

    /// The last that succeeded.
    #[must_use]
    pub fn installed(&self) -> Option<&Action> {
        self.actions.iter().find(|a| Some(a.id) == self.installed)
    }

    /// All, the oldest first.
    #[must_use]
    pub fn actions(&self) -> &[Action] {
        &self.actions
    }

    /// Of this number.
    #[must_use]
    pub fn action(&self, id: u64) -> Option<&Action> {
        self.actions.iter().find(|a| a.id == id)
    }

    /// The box reads what to do.
    ///
    /// # Errors
    /// `NotFound`: no such action, or it is taken back.
    pub fn deployment(&mut self, id: u64) -> Result<&Action, No> {
        let action = self.actions.iter_mut().find(|a| a.id == id).ok_or(No::NotFound)?;
        if action.is_canceling_or_canceled() {
            return Err(No::NotFound);
        }
        if action.state == State::Running {
            action.state = State::Retrieved;
        }
        Ok(action)
    }

    /// The box reads what to let go.
    ///
    /// # Errors
    /// `NotFound`: no such action, or nobody took it back.
    pub fn cancellation(&self, id: u64) -> Result<&Action, No> {
        self.action(id).filter(|a| a.is_canceling_or_canceled()).ok_or(No::NotFound)
    }

    /// The box reads what it runs.
    ///
    /// # Errors
    /// `NotFound`: no such action, or it is open, or it was taken back.
    pub fn installation(&self, id: u64) -> Result<&Action, No> {
        self.action(id).filter(|a| !a.is_active() && !a.is_canceling_or_canceled()).ok_or(No::NotFound)
    }

    /// The artifact of this module (its number is the action's) and name, of an action that is open or installed.
    #[must_use]
    pub fn artifact(&self, module: u64, file: &str) -> Option<&Artifact> {
        let action = self.action(module).filter(|a| a.is_active() || Some(a.id) == self.installed)?;
        Some(&action.artifact).filter(|artifact| artifact.file == file)
    }

    /// The box says how it goes. Only `closed` ends an action: `canceled` and `rejected` are remarks, as hawkBit takes them.
    ///
    /// # Errors
    /// `NotFound`, `Gone`, `TooMuch`.
    pub fn feedback(&mut self, id: u64, feedback: Feedback) -> Result<State, No> {
        let action = self.actions.iter_mut().find(|a| a.id == id).ok_or(No::NotFound)?;
        if !action.is_active() {
            return Err(No::Gone);
        }
        let ends = feedback.status.execution == Execution::Closed;
        measure(action, &feedback, ends)?;
        if ends {
            let failed = feedback.status.result.finished == Finished::Failure;
            action.state = if failed { State::Error } else { State::Finished };
            if !failed {
                self.installed = Some(id);
                self.has_attributes = false;
            }
        }
        action.said.push(Said { cancel: false, feedback });
        Ok(action.state)
    }

    /// The box says whether it lets go. `closed` agrees, or says that it could not; `rejected` goes on; `canceled` is a word of the other channel.
    ///
    /// # Errors
    /// `NotFound`, `NotCanceling`, `TooMuch`.
    pub fn cancel_feedback(&mut self, id: u64, feedback: Feedback) -> Result<State, No> {
        let action = self.actions.iter_mut().find(|a| a.id == id).ok_or(No::NotFound)?;
        if !action.is_canceling_or_canceled() {
            return Err(No::NotCanceling);
        }
        let status = &feedback.status;
        action.state = match (status.execution, status.result.finished) {
            // Over is over, whatever comes late.
            _ if action.state == State::Canceled => {
                measure(action, &feedback, false)?;
                State::Canceled
            }
            (Execution::Closed, Finished::Failure) | (Execution::Rejected, _) => State::Running,
            (Execution::Closed, Finished::Success | Finished::None) => State::Canceled,
            (
                Execution::Proceeding
                | Execution::Canceled
                | Execution::Scheduled
                | Execution::Resumed
                | Execution::Downloaded
                | Execution::Download,
                _,
            ) => {
                measure(action, &feedback, false)?;
                action.state
            }
        };
        action.said.push(Said { cancel: true, feedback });
        Ok(action.state)
    }
}

/// Bounds of what is remembered; the word that ends an action is always heard.
fn measure(action: &Action, feedback: &Feedback, ends: bool) -> Result<(), No> {
    let too_many = action.said.len() >= MAX_FEEDBACKS && !ends;
    if too_many || feedback.status.details.len() > MAX_DETAILS { Err(No::TooMuch) } else { Ok(()) }
}
