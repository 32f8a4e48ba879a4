//! Owns: an admitted visit: the grant, the fair clock, what each end decodes, the beats, what the person lets out.
//! Never: changes the machine's state or makes an effect; it answers what follows, the edges do it.
//! Called by: facts (from call, visitors and the facility), due (deadlines), edges, receipt, project.

use crate::call::Want;
use crate::fair::FairClock;
use crate::time::{RECORD_MS, RELAUNCHES, SCREEN_MS, STATEMENT_MS};
use crate::view::Network;
use parloir_pass::{Ask, Bytes32, ClassRule, Grant, Media, Statement};

/// A grant that fits.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    pub grant: Grant,
    pub rule: ClassRule,
    /// Longest time that doors may be open, milliseconds.
    pub lease_ms: u64,
}

/// An admitted visit.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub want: Want,
    pub ask: Ask,
    pub asked_at: u64,
    pub grant: Grant,
    pub rule: ClassRule,
    pub admitted_at: u64,
    pub lease_until: u64,
    pub clock: FairClock,
    pub own: Side,
    pub far: Vec<Far>,
    pub far_verified: bool,
    /// A fact for the receipt, once it is one.
    pub first_here: Option<u64>,
    /// A fact for the receipt, once it is one.
    pub first_there: Option<u64>,
    pub beat_count: u64,
    pub beat_at: u64,
    pub relaunched: u8,
    pub recalls: u8,
    pub generation: u32,
    pub wanted: Lets,
    pub lets: Lets,
    /// What call was told last.
    pub holding: bool,
    pub network: Network,
    pub pictures: Pictures,
    pub seat: Seat,
    pub next_record: u64,
}

/// What may leave the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lets {
    pub camera: bool,
    pub microphone: bool,
}

/// Far pictures decoded here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pictures {
    /// By call processes that died.
    pub before: u64,
    /// By the one that runs.
    pub frames: u64,
    pub width: u16,
    pub height: u16,
}

impl Pictures {
    /// In the whole visit. The numbers are call's, who may say anything.
    pub(crate) fn decoded(&self) -> u64 {
        self.before.saturating_add(self.frames)
    }
}

/// Whether a screen shows the visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    Taken,
    Empty { until: u64 },
}

/// Whether an end decodes the other's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Not since then.
    Off {
        since: u64,
    },
    On {
        since: u64,
    },
}

/// One far party, by its own signed word.
#[derive(Clone, Debug)]
pub(crate) struct Far {
    pub side: Side,
    pub word: Word,
}

/// Its last statement.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    None,
    Said { at: u64, statement: Statement, jws: String },
}

impl Word {
    pub(crate) fn left(&self) -> bool {
        matches!(self, Self::Said { statement, .. } if statement.last)
    }
}

/// What a side did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    On,
    /// It decoded until then.
    Off {
        at: u64,
    },
}

/// What a change of a side means for the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weighed {
    /// Both ends decode now and did not before.
    Began,
    /// They did before and do not now.
    Stopped,
    Same,
}

impl Visit {
    pub(crate) fn admit(want: Want, ask: Ask, asked_at: u64, admission: Admission, now: u64) -> Self {
        let Admission { grant, rule, lease_ms } = admission;
        let lets = Lets { camera: grant.media == Media::Video, microphone: true };
        Self {
            far: grant.parties.iter().map(|_| Far { side: Side::Off { since: now }, word: Word::None }).collect(),
            want,
            ask,
            asked_at,
            grant,
            rule,
            admitted_at: now,
            lease_until: now.saturating_add(lease_ms),
            clock: FairClock::default(),
            own: Side::Off { since: now },
            far_verified: false,
            first_here: None,
            first_there: None,
            beat_count: 0,
            beat_at: now,
            relaunched: 0,
            recalls: 0,
            generation: 0,
            wanted: lets,
            lets,
            holding: false,
            network: Network::Unknown,
            pictures: Pictures::default(),
            seat: Seat::Taken,
            next_record: now.saturating_add(RECORD_MS),
        }
    }

    pub(crate) fn slot_ms(&self) -> u64 {
        u64::from(self.grant.slot_s) * 1000
    }

    /// By the fair clock, never more than the slot.
    pub(crate) fn counted_ms(&self, now: u64) -> u64 {
        self.clock.counted_ms(now).min(self.slot_ms())
    }

    pub(crate) fn knows_far(&self, fingerprint: Bytes32) -> bool {
        self.grant.parties.iter().any(|party| party.certificate == fingerprint)
    }

    // Call is not believed about a time before the admission or after now.
    fn believable(&self, at: u64, now: u64) -> u64 {
        at.max(self.admitted_at).min(now)
    }

    /// Something of the far side was decoded here.
    pub(crate) fn note_first_here(&mut self, at: u64, now: u64) {
        let at = self.believable(at, now);
        self.first_here = Some(self.first_here.map_or(at, |first| first.min(at)));
    }

    /// Call: far media began or stopped here.
    pub(crate) fn own_decoding(&mut self, on: bool, at: u64, now: u64) -> Weighed {
        let at = self.believable(at, now);
        match (self.own, on) {
            // What stopped did not begin again before it stopped; a process that was started again did not decode before.
            (Side::Off { since }, true) => {
                self.own = Side::On { since: at.max(since) };
                self.note_first_here(at, now);
                self.weigh(Change::On)
            }
            (Side::On { since }, false) => {
                let at = at.max(since);
                self.own = Side::Off { since: at };
                self.weigh(Change::Off { at })
            }
            (Side::On { .. }, true) | (Side::Off { .. }, false) => Weighed::Same,
        }
    }

    /// A visitor's statement, with a count above the last. The time in it (`decoded_ms`) moves a beginning or an end back to when it
    /// was, but never beyond the statement before, so that a false one is worth at most the time between two statements.
    pub(crate) fn far_said(&mut self, party: usize, statement: Statement, jws: String, now: u64) -> Weighed {
        let floor = self.admitted_at;
        let Some(far) = self.far.get_mut(party) else { return Weighed::Same };
        let (heard_at, heard_ms) = match &far.word {
            Word::None => (floor, 0),
            Word::Said { at, statement, .. } => (*at, statement.decoded_ms),
        };
        let grown = statement.decoded_ms.saturating_sub(heard_ms);
        let change = match (far.side, statement.decoding && !statement.last) {
            (Side::Off { .. }, true) => {
                let since = now.saturating_sub(grown).max(heard_at).min(now);
                far.side = Side::On { since };
                self.first_there = Some(self.first_there.map_or(since, |first| first.min(since)));
                Some(Change::On)
            }
            (Side::On { .. }, false) => {
                let at = heard_at.saturating_add(grown).min(now);
                far.side = Side::Off { since: at };
                Some(Change::Off { at })
            }
            (Side::On { .. }, true) | (Side::Off { .. }, false) => None,
        };
        far.word = Word::Said { at: now, statement, jws };
        change.map_or(Weighed::Same, |change| self.weigh(change))
    }

    /// No statement of this party for 3 s: it counts as decoding until its last one.
    pub(crate) fn far_silent(&mut self, party: usize) -> Weighed {
        let Some(far) = self.far.get_mut(party) else { return Weighed::Same };
        let at = match &far.word {
            Word::Said { at, .. } => *at,
            Word::None => self.admitted_at,
        };
        far.side = Side::Off { since: at };
        self.weigh(Change::Off { at })
    }

    /// The party whose word is missing first, and when it is.
    pub(crate) fn next_silence(&self) -> Option<(u64, usize)> {
        let word = |(party, far): (usize, &Far)| match (&far.side, &far.word) {
            (Side::On { .. }, Word::Said { at, .. }) => Some((at.saturating_add(STATEMENT_MS), party)),
            _ => None,
        };
        self.far.iter().enumerate().filter_map(word).min()
    }

    pub(crate) fn far_left(&self) -> bool {
        self.far.iter().all(|far| far.word.left())
    }

    /// Moves the fair clock's hand.
    fn weigh(&mut self, change: Change) -> Weighed {
        let far = self.far.iter().filter_map(|far| match far.side {
            Side::On { since } => Some(since),
            Side::Off { .. } => None,
        });
        let both = match (self.own, far.min()) {
            (Side::On { since }, Some(far)) => Some(since.max(far)),
            (Side::Off { .. }, _) | (Side::On { .. }, None) => None,
        };
        let ran = self.clock.runs();
        match (both, change) {
            (Some(since), Change::On) => self.clock.start(since),
            (None, Change::Off { at }) => self.clock.stop(at),
            (Some(_), Change::Off { .. }) | (None, Change::On) => {}
        }
        match (ran, self.clock.runs()) {
            (false, true) => Weighed::Began,
            (true, false) => Weighed::Stopped,
            (true, true) | (false, false) => Weighed::Same,
        }
    }

    /// When the visit ends for want of a beat.
    pub(crate) fn beats_until(&self) -> u64 {
        let patience_s = u64::from(self.rule.beat_every_s) + u64::from(self.rule.beat_grace_s);
        self.beat_at.saturating_add(patience_s * 1000)
    }

    /// A beat is overdue by half its interval: the screen says so.
    pub(crate) fn renewal_late(&self, now: u64) -> bool {
        now.saturating_sub(self.beat_at) > u64::from(self.rule.beat_every_s) * 1500
    }

    pub(crate) fn may_relaunch(&self) -> bool {
        self.relaunched < RELAUNCHES
    }

    /// The call process is gone with everything that it knew.
    pub(crate) fn process_gone(&mut self) {
        self.pictures.before = self.pictures.decoded();
        self.pictures.frames = 0;
        self.far_verified = false;
        self.holding = false;
        self.network = Network::Unknown;
    }

    pub(crate) fn lose_seat(&mut self, now: u64) {
        if self.seat == Seat::Taken {
            self.seat = Seat::Empty { until: now.saturating_add(SCREEN_MS) };
        }
    }

    /// The statement that the receipt shows: the first party's that said anything.
    pub(crate) fn jws(&self) -> Option<&str> {
        self.far.iter().find_map(|far| match &far.word {
            Word::Said { jws, .. } => Some(jws.as_str()),
            Word::None => None,
        })
    }
}
