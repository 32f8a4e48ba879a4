//! Owns: which deadline comes next, and what its coming causes.
//! Never: a timer; the arbiter has one.
//! Called by: turn (before and after each event), `State::deadline`.

use crate::call::{Call, Came, Cause, Stage};
use crate::edges::What;
use crate::effect::Effect;
use crate::maintenance;
use crate::refusal::{Code, EndReason};
use crate::state::{Clock, State};
use crate::time::RECORD_MS;
use crate::turn::Turn;
use crate::visit::{Pending, Seat, Visit};

/// What a deadline means. At the same millisecond the first of this list goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Lease,
    Slot,
    Beat,
    Seat,
    EndKey,
    Silence(usize),
    Process,
    Again,
    Own,
    Maintenance,
    Session,
}

/// How often the view's seconds are told anew in a visit.
const SECOND_MS: u64 = 1000;
/// No state has more deadlines than these in a row; the bound makes `step` total whatever happens.
const MOST_IN_A_ROW: usize = 64;

impl Visit {
    fn next_due(&self) -> (u64, Due) {
        let slot = self.clock.reaches(self.slot_ms).map(|at| (at, Due::Slot));
        let seat = match self.seat {
            Seat::Taken => None,
            Seat::Empty { until } => Some((until, Due::Seat)),
        };
        let silence = self.next_silence().map(|(at, party)| (at, Due::Silence(party)));
        let beat = self.beats_until().map(|at| (at, Due::Beat));
        let process = self.silent_at().map(|at| (at, Due::Process));
        let again = match &self.again.pending {
            Pending::Nothing => None,
            Pending::Asked { until, .. } => Some((*until, Due::Again)),
        };
        let end_key = self.end_key.until().map(|at| (at, Due::EndKey));
        let sometimes = [beat, slot, seat, end_key, silence, process, again].into_iter().flatten();
        sometimes.chain([(self.lease_until, Due::Lease)]).min().unwrap_or((self.lease_until, Due::Lease))
    }
}

impl Call {
    fn next_due(&self) -> Option<(u64, Due)> {
        match self {
            Self::Idle => None,
            Self::Ringing(ringing) => Some((ringing.until, Due::Own)),
            Self::Asking(asking) => {
                let end_key = asking.end_key.until().map(|at| (at, Due::EndKey));
                end_key.into_iter().chain([(asking.until, Due::Own)]).min()
            }
            Self::Joining(visit) => Some(visit.next_due().min((visit.join_until, Due::Own))),
            Self::Live(visit) => Some(visit.next_due()),
            Self::Held(held) => Some(held.visit.next_due().min((held.until, Due::Own))),
            Self::Closing(closing) => Some((closing.until, Due::Own)),
        }
    }
}

impl State {
    /// The deadline of the call's state, milliseconds; every state but `Idle` has one.
    pub(crate) fn call_deadline(&self) -> Option<u64> {
        self.call.next_due().map(|(at, _)| at)
    }

    /// The next deadline of a machine.
    fn machine_due(&self) -> Option<(u64, Due)> {
        let maintenance = self.maintenance.lease().map(|lease| (lease.until, Due::Maintenance));
        let session = self.session_due().map(|until| (until, Due::Session));
        [self.call.next_due(), maintenance, session].into_iter().flatten().min()
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        let machine = self.machine_due().map(|(at, _)| at);
        let second = self.call.visit().map(|visit| visit.next_record.min(self.at.saturating_add(SECOND_MS)));
        let time = match self.clock {
            Clock::Requested { until, .. } if self.online => Some(until),
            Clock::Unknown if self.online => Some(self.at),
            Clock::Unknown | Clock::Requested { .. } | Clock::Trusted { .. } => None,
        };
        [machine, second, time].into_iter().flatten().min()
    }
}

impl Turn<'_> {
    /// Deals with every deadline up to `until`, each at its own time.
    pub(crate) fn expire(&mut self, until: u64) {
        for _ in 0..MOST_IN_A_ROW {
            let Some((at, due)) = self.state.machine_due().filter(|(at, _)| *at <= until) else { return };
            self.now = at.max(self.state.at);
            self.state.at = self.now;
            self.come_due(due);
        }
    }

    fn come_due(&mut self, due: Due) {
        match due {
            Due::Lease => self.end(Cause::LeaseOver, EndReason::LeaseOver),
            Due::Slot => self.end(Cause::SlotOver, EndReason::SlotOver),
            Due::Beat => self.end(Cause::BeatMissing, EndReason::BeatMissing),
            Due::Seat => self.end(Cause::ScreenMissing, EndReason::ScreenGone),
            Due::EndKey => self.end(Cause::EndPressed, EndReason::PersonEnded),
            Due::Silence(party) => {
                let Some(visit) = self.state.call.visit_mut() else { return };
                let weighed = visit.far_silent(party);
                self.weighed(weighed);
            }
            Due::Process => self.process_silent(),
            Due::Again => self.not_regranted(Code::NoAnswer),
            Due::Own => self.own_time_up(),
            Due::Maintenance => self.shift(maintenance::Cause::TimeUp, None),
            Due::Session => self.session_time_up(),
        }
    }

    fn own_time_up(&mut self) {
        match &self.state.call {
            Call::Asking(asking) => {
                let code = match asking.stage {
                    Stage::Asked { .. } => Code::NoAnswer,
                    Stage::Preparing | Stage::Certificate(_) | Stage::Process { .. } => Code::CallNotStarted,
                };
                self.end(Cause::TimeUp, code);
            }
            Call::Joining(_) => self.end(Cause::TimeUp, EndReason::NeverConnected),
            Call::Held(_) => self.end(Cause::TimeUp, EndReason::MediaLost),
            Call::Ringing(_) => self.end(Cause::TimeUp, Code::RingMissed),
            Call::Idle | Call::Live(_) | Call::Closing(_) => self.cross(Cause::TimeUp, What::Nothing),
        }
    }

    /// Writes the open-visit record when 5 s are over.
    pub(crate) fn keep_record(&mut self) {
        let now = self.now;
        if self.state.call.visit().is_some_and(|visit| now >= visit.next_record) {
            self.write_record();
        }
    }

    pub(crate) fn write_record(&mut self) {
        let now = self.now;
        let Some(visit) = self.state.call.visit_mut() else { return };
        visit.next_record = now.saturating_add(RECORD_MS);
        let came = Came::Admitted(Box::new(visit.clone()));
        let receipt = self.state.record_of(came, now);
        self.push(Effect::OpenVisitRecord { receipt: Box::new(receipt) });
    }
}
