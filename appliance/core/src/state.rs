//! Owns: all that the core knows between two events.
//! Never: an `Option` that means something only in some states of a machine.
//! Called by: `step` and the edges; nobody else changes it.

use crate::effect::Effect;
use crate::event::Event;
use crate::time::{Now, Wall};
use crate::view::View;
use parloir_pass::Id;

/// What is fixed when the arbiter starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// This box.
    pub device: Id,
    /// Its site.
    pub site: Id,
    /// `--bench-direct`: a grant may allow direct candidates.
    pub bench_direct: bool,
    /// Highest revisions seen before this start; 0 none.
    pub floors: Floors,
}

/// Persisted revision floors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Floors {
    pub authority: u64,
    pub policy: u64,
    pub entitlement: u64,
}

/// The core's state.
#[derive(Clone, Debug)]
pub struct State {
    settings: Settings,
}

impl State {
    /// Knows nothing yet but itself.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// One event, its effects in the order in which they are to be carried out.
    pub fn step(&mut self, _now: Now, _event: Event) -> Vec<Effect> {
        Vec::new()
    }

    /// When the next [`Event::Tick`] is due, milliseconds of `CLOCK_BOOTTIME`; `None`: no sooner than the next event.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        None
    }

    /// Wall time as far as it is believed.
    #[must_use]
    pub fn wall(&self, _now: Now) -> Wall {
        Wall::Unknown
    }

    /// What a screen shows, as of the last step.
    #[must_use]
    pub fn view(&self) -> View {
        View::default()
    }

    /// Settings of this start.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
