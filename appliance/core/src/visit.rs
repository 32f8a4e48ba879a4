//! Owns: an admitted visit: the grant, the fair clock, what each end decodes, the beats, what the person lets out.
//! Never: changes the machine's state or makes an effect; it answers what follows, the edges do it.
//! Called by: facts (from call, visitors and the facility), again, due (deadlines), edges, receipt, project.

use crate::call::{EndKey, Want};
use crate::fair::FairClock;
use crate::time::{BEAT_SLACK_PERMILLE, JOIN_MS, NONCE_MS, RECORD_MS, RELAUNCHES, SCREEN_MS, SILENT_MS, STATEMENT_MS};
use crate::view::Network;
use parloir_pass::{Ask, Bytes32, ClassRule, Grant, Id, Media, Statement};

/// A grant that fits.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Admission {
    pub grant: Grant,
    pub rule: ClassRule,
    /// Longest time that doors may be open, milliseconds.
    pub lease_ms: u64,
    pub privacy: Privacy,
}

/// Who could hear what passes between the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Privacy {
    /// What the grant says of it; no screen claims more.
    Open,
    /// Nobody: both ends show this number, made of what each end knows of the other (ADR 27). Nobody records, watches or renews it.
    EndToEnd { code: u32 },
}

/// An admitted visit.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Visit {
    pub want: Want,
    /// The question that `grant` answers.
    pub ask: Ask,
    pub asked_at: u64,
    pub grant: Grant,
    /// The grants before it, oldest first.
    pub earlier: Vec<Earlier>,
    pub again: Again,
    pub rule: ClassRule,
    pub privacy: Privacy,
    pub admitted_at: u64,
    /// When `grant` came; a word of its parties is about no earlier time.
    pub granted_at: u64,
    pub join_until: u64,
    pub lease_until: u64,
    /// The fair clock's bound, milliseconds; a later grant can only lower it.
    pub slot_ms: u64,
    pub clock: FairClock,
    pub own: Side,
    pub far: Vec<Far>,
    pub far_verified: bool,
    /// A fact for the receipt, once it is one.
    pub first_here: Option<u64>,
    /// A fact for the receipt, once it is one.
    pub first_there: Option<u64>,
    pub beat_count: u64,
    /// Until when the beats that came stand for the facility's word; never after now.
    pub beat_at: u64,
    pub process: Process,
    pub relaunched: u8,
    pub recalls: u8,
    pub generation: u32,
    /// What the person lets out.
    pub wanted: Lets,
    /// What call says that it lets out.
    pub lets: Lets,
    /// What call says that it cannot let out.
    pub broken: Lets,
    /// What call was told last.
    pub holding: bool,
    pub network: Network,
    pub pictures: Pictures,
    pub seat: Seat,
    pub end_key: EndKey,
    pub next_record: u64,
}

/// A grant that another one replaced.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Earlier {
    pub grant: Id,
    pub certificates: Vec<Bytes32>,
    pub word: Word,
}

/// Another grant for the time that is left.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Again {
    pub asked: u8,
    pub not_before: u64,
    pub pending: Pending,
}

/// Whether the facility is being asked for it.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[allow(clippy::large_enum_variant)]
pub(crate) enum Pending {
    Nothing,
    Asked { ask: Ask, until: u64 },
}

/// The call process, as far as it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Process {
    /// Gate has not opened its doors yet, or starts it again.
    Down,
    Runs {
        heard: u64,
    },
}

/// What may leave the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lets {
    pub camera: bool,
    pub microphone: bool,
}

/// Far pictures decoded here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Seat {
    Taken,
    Empty { until: u64 },
}

/// Whether an end decodes the other's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
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
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Far {
    pub side: Side,
    pub word: Word,
}

/// Its last statement.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) enum Word {
    None,
    Said { at: u64, statement: Statement, jws: String },
}

impl Word {
    pub(crate) fn jws(&self) -> Option<&str> {
        match self {
            Self::Said { jws, .. } => Some(jws.as_str()),
            Self::None => None,
        }
    }
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
    pub(crate) fn admit(want: Want, ask: Ask, asked_at: u64, end_key: EndKey, admission: Admission, now: u64) -> Self {
        let Admission { grant, rule, lease_ms, privacy } = admission;
        let lets = Lets { camera: grant.media == Media::Video && !grant.class.begins_unseen(), microphone: true };
        Self {
            far: grant.parties.iter().map(|_| Far { side: Side::Off { since: now }, word: Word::None }).collect(),
            want,
            ask,
            asked_at,
            slot_ms: u64::from(grant.slot_s) * 1000,
            grant,
            earlier: Vec::new(),
            again: Again { asked: 0, not_before: now, pending: Pending::Nothing },
            rule,
            privacy,
            admitted_at: now,
            granted_at: now,
            join_until: now.saturating_add(JOIN_MS),
            lease_until: now.saturating_add(lease_ms),
            clock: FairClock::default(),
            own: Side::Off { since: now },
            far_verified: false,
            first_here: None,
            first_there: None,
            beat_count: 0,
            beat_at: now,
            process: Process::Down,
            relaunched: 0,
            recalls: 0,
            generation: 0,
            wanted: lets,
            lets,
            broken: Lets { camera: false, microphone: false },
            holding: false,
            network: Network::Unknown,
            pictures: Pictures::default(),
            seat: Seat::Taken,
            end_key,
            next_record: now.saturating_add(RECORD_MS),
        }
    }

    /// The far side begins anew under another grant; slot and lease can only become shorter, and so can the wait for its first beat.
    pub(crate) fn take_grant(&mut self, admission: Admission, now: u64) {
        let Admission { grant, rule, lease_ms, privacy } = admission;
        let word = self.far.iter_mut().map(|far| core::mem::replace(&mut far.word, Word::None));
        let word = word.reduce(|one, other| if matches!(one, Word::None) { other } else { one }).unwrap_or(Word::None);
        let certificates = self.grant.parties.iter().map(|party| party.certificate).collect();
        self.earlier.push(Earlier { grant: self.grant.grant, certificates, word });
        // Renewed when it was asked for, not when it came: whoever carries it cannot put off the end of a visit by keeping it back.
        self.beat_at = now;
        if let Pending::Asked { ask, until } = core::mem::replace(&mut self.again.pending, Pending::Nothing) {
            self.ask = ask;
            self.beat_at = until.saturating_sub(NONCE_MS).min(now);
        }
        self.far = grant.parties.iter().map(|_| Far { side: Side::Off { since: now }, word: Word::None }).collect();
        self.slot_ms = self.slot_ms.min(self.counted_ms(now).saturating_add(u64::from(grant.slot_s) * 1000));
        self.lease_until = self.lease_until.min(now.saturating_add(lease_ms));
        (self.granted_at, self.far_verified) = (now, false);
        self.beat_count = 0;
        (self.grant, self.rule, self.privacy) = (grant, rule, privacy);
    }

    /// Whether the question for another grant carries this nonce.
    pub(crate) fn asks_by(&self, nonce: Id) -> bool {
        matches!(&self.again.pending, Pending::Asked { ask, .. } if ask.nonce == nonce)
    }

    /// Whether this is the visit's grant, or was.
    pub(crate) fn has_had(&self, grant: Id) -> bool {
        self.grant.grant == grant || self.earlier.iter().any(|earlier| earlier.grant == grant)
    }

    /// By the fair clock, never more than the slot.
    pub(crate) fn counted_ms(&self, now: u64) -> u64 {
        self.clock.counted_ms(now).min(self.slot_ms)
    }

    pub(crate) fn knows_far(&self, fingerprint: Bytes32) -> bool {
        self.grant.parties.iter().any(|party| party.certificate == fingerprint)
    }

    /// A certificate of a page that another one replaced: its last words may still be on their way.
    pub(crate) fn knew_far(&self, fingerprint: Bytes32) -> bool {
        self.earlier.iter().any(|earlier| earlier.certificates.contains(&fingerprint))
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
        let floor = self.granted_at;
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
            Word::None => self.granted_at,
        };
        far.side = Side::Off { since: at };
        self.weigh(Change::Off { at })
    }

    /// Nothing is decoded at either end: there since the last word, here since now.
    pub(crate) fn all_off(&mut self, now: u64) {
        for party in 0..self.far.len() {
            if matches!(self.far[party].side, Side::On { .. }) {
                self.far_silent(party);
            }
        }
        self.own_decoding(false, now, now);
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

    /// A beat that is newer than the last. It stands for as many intervals as it is ahead of the last, and not for the time of its coming:
    /// whoever carries beats can hold them back, and gains nothing by it.
    pub(crate) fn take_beat(&mut self, count: u64, now: u64) {
        let intervals = count.saturating_sub(self.beat_count);
        let each_ms = u64::from(self.rule.beat_every_s) * (1000 + BEAT_SLACK_PERMILLE);
        self.beat_at = self.beat_at.saturating_add(intervals.saturating_mul(each_ms)).min(now);
        self.beat_count = count;
    }

    /// When the call process will have said nothing for too long.
    pub(crate) fn silent_at(&self) -> Option<u64> {
        match self.process {
            Process::Runs { heard } => Some(heard.saturating_add(SILENT_MS)),
            Process::Down => None,
        }
    }

    /// When the visit ends for want of a beat; a private one runs to its end without any.
    pub(crate) fn beats_until(&self) -> Option<u64> {
        let patience_s = u64::from(self.rule.beat_every_s) + u64::from(self.rule.beat_grace_s);
        (self.privacy == Privacy::Open).then(|| self.beat_at.saturating_add(patience_s * 1000))
    }

    /// A beat is overdue by half its interval: the screen says so.
    pub(crate) fn renewal_late(&self, now: u64) -> bool {
        self.privacy == Privacy::Open && now.saturating_sub(self.beat_at) > u64::from(self.rule.beat_every_s) * 1500
    }

    /// What both screens show: only while the far end is the one that the grant names, by its own certificate.
    pub(crate) fn code(&self) -> Option<u32> {
        match self.privacy {
            Privacy::EndToEnd { code } if self.far_verified => Some(code),
            Privacy::EndToEnd { .. } | Privacy::Open => None,
        }
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
        self.process = Process::Down;
        self.network = Network::Unknown;
    }

    pub(crate) fn lose_seat(&mut self, now: u64) {
        if self.seat == Seat::Taken {
            self.seat = Seat::Empty { until: now.saturating_add(SCREEN_MS) };
        }
    }

    /// The statement that the receipt shows: the first party's that said anything, under the last grant.
    pub(crate) fn jws(&self) -> Option<&str> {
        self.far.iter().find_map(|far| far.word.jws())
    }

    /// The last one under each earlier grant.
    pub(crate) fn earlier_jws(&self) -> impl Iterator<Item = &str> {
        self.earlier.iter().filter_map(|earlier| earlier.word.jws())
    }
}
