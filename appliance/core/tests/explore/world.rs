//! Owns: one box within the exploration, and what the world around it remembers: the last question, its calls, its rings.
//! Never: judges; each step is the core's own.
//! Called by: explore/mod.rs, explore/moves.rs.

use super::key::{EPOCH, Key, SERIALS};
use crate::bed::*;
use crate::world::cells::Cells;
use parloir_core::*;
use parloir_pass::*;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// A box that can be copied at any moment.
#[derive(Clone)]
pub struct World {
    pub state: State,
    pub now: u64,
    pub serial: u64,
    /// Two calls take turns, so that late words about the one come in the other.
    pub calls: u8,
    pub call: Id,
    pub ask: Option<Ask>,
    pub again: Option<Ask>,
    pub count: u64,
    pub decoded_ms: u64,
    /// The grant in force, how many there were, and since when.
    pub grant: Id,
    pub grants: u8,
    pub granted: u64,
    pub beats: u64,
    /// Which documents the box has.
    pub papers: u8,
    /// The last ring.
    pub rung: u8,
    /// Open by gate's own rule: what it was told, and what it said.
    pub door: Option<Id>,
    pub used: Used,
}

/// What one move used of the tables, and what it broke.
#[derive(Clone, Debug, Default)]
pub struct Used {
    pub cells: Cells,
    pub steps: u64,
}

/// Who speaks while time passes: the call process, the far side (what it said last), the facility.
#[derive(Clone, Copy)]
pub struct Words {
    pub breath: bool,
    pub far: bool,
    pub beats: bool,
}

/// Ids of rings: enough that none comes back within the two minutes in which it is remembered, on the ways that are walked.
pub const RINGS: u8 = 0x90;

/// How often the facility renews, seconds.
pub const BEAT_S: u64 = 5;

pub const fn id(n: u8) -> Id {
    Id([n; 16])
}

/// Whether it is a bus call, which is answered once.
fn is_bus_call(event: &Event) -> bool {
    matches!(
        event,
        Event::Attach { .. }
            | Event::Focus { .. }
            | Event::Place { .. }
            | Event::Answer { .. }
            | Event::Decline { .. }
            | Event::End { .. }
            | Event::Let { .. }
            | Event::Frames { .. }
            | Event::Dismiss { .. }
            | Event::SignIn { .. }
            | Event::SignOut { .. }
            | Event::Begin { .. }
            | Event::Report { .. }
            | Event::Signalling { .. }
    )
}

fn is_answer(effect: &Effect) -> bool {
    use Effect::{HandFrames, HandKeys, HandLease, HandSignalling, Reply};
    matches!(effect, Reply { .. } | HandKeys { .. } | HandLease { .. } | HandFrames { .. } | HandSignalling { .. })
}

impl World {
    pub fn bare() -> Self {
        Self {
            state: State::new(settings()),
            now: EPOCH,
            serial: SERIALS,
            calls: 0,
            call: Id([0; 16]),
            ask: None,
            again: None,
            count: 0,
            decoded_ms: 0,
            grant: GRANT,
            grants: 0,
            granted: 0,
            beats: 0,
            papers: 0,
            rung: RINGS,
            door: None,
            used: Used::default(),
        }
    }

    /// What matters of the box. The two calls take turns, and rings are new each time: of their ids only the turn is kept.
    pub fn key(&self) -> String {
        let mut key = Key::of(&self.state, self.now, self.serial);
        let (last, other) = if self.calls % 2 == 1 { (1, 2) } else { (2, 1) };
        for (number, to) in [(last, "C"), (other, "c"), (0x40 + last, "N"), (0x40 + other, "n"), (self.rung, "ring")] {
            key = key.replace(&format!("{:?}", id(number)), to);
        }
        key
    }

    pub fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let (asked, again) = (self.ask.is_some(), self.again.is_some());
        (self.key(), self.papers, asked, again, self.door.is_some()).hash(&mut hasher);
        hasher.finish()
    }

    /// The other call than the last.
    pub fn stranger(&self) -> Id {
        if self.call == id(1) { id(2) } else { id(1) }
    }

    pub fn fresh(&self) -> Fresh {
        let n = 1 + self.calls % 2;
        Fresh { call: id(n), nonce: id(0x40 + n), receipt: id(0x80 + n) }
    }

    pub fn step(&mut self, event: Event) {
        let asks = is_bus_call(&event);
        let effects = self.state.step(Now { mono_ms: self.now }, event.clone());
        self.used.steps += 1;
        self.used.cells.note(&self.state);
        let answers = effects.iter().filter(|e| is_answer(e)).count();
        assert_eq!(answers, usize::from(asks), "a bus call is answered once: {event:?}, {effects:?}");
        for effect in &effects {
            self.learn(effect);
        }
        match event {
            Event::Gate(GateFact::Opened { lease, .. } | GateFact::Relaunched { lease })
                if self.state.camera_kind() == camera::Kind::Open =>
            {
                self.door = Some(lease);
            }
            Event::Gate(
                GateFact::Gone
                | GateFact::Hello { .. }
                | GateFact::Shut { .. }
                | GateFact::CallGone { .. }
                | GateFact::Refused { why: GateRefusal::NoLease, .. },
            ) => self.door = None,
            _ => {}
        }
        // Gate shuts when it is told so, or when the arbiter is gone; so a door that is still open was granted.
        assert!(self.door.is_none() || self.state.call_kind().opens_doors(), "a door that nobody granted: {effects:?}");
    }

    fn learn(&mut self, effect: &Effect) {
        match effect {
            Effect::Gate(ToGate::Prepare { lease, .. }) => {
                (self.call, self.calls) = (*lease, self.calls + 1);
                (self.count, self.decoded_ms, self.beats) = (0, 0, 0);
                (self.ask, self.again) = (None, None);
            }
            Effect::SendAsk(ask) if ask.regrant.is_some() => self.again = Some((**ask).clone()),
            Effect::SendAsk(ask) => self.ask = Some((**ask).clone()),
            Effect::Gate(ToGate::Open { .. }) => {
                let answered = self.ask.as_ref().is_some_and(|ask| ask.call == self.call);
                assert!(answered, "doors without a question");
                (self.grant, self.grants, self.granted, self.beats) = (GRANT, 0, self.now, 0);
            }
            Effect::Ledger(Entry::Regranted { grant, .. }) => {
                (self.grant, self.grants, self.granted, self.beats) = (*grant, self.grants + 1, self.now, 0);
                (self.count, self.again) = (0, None);
            }
            Effect::Gate(ToGate::Close { .. } | ToGate::Relaunch { .. }) => self.door = None,
            _ => {}
        }
    }

    /// Time passes; `words`: the call process breathes, the far side says what it said last, the facility renews.
    pub fn pass(&mut self, ms: u64, words: Words) {
        let end = self.now + ms;
        while self.now < end {
            let step = (end - self.now).min(2400);
            self.now += step;
            self.step(Event::Tick { fresh: id(0x71) });
            if !self.state.call_kind().opens_doors() {
                continue;
            }
            if words.breath && self.state.camera_kind() == camera::Kind::Open {
                let (width, height) = (1280, 720);
                let fact =
                    CallFact::Progress { frames_decoded: 0, width, height, target_kbps: 1000, loss_permille: 0, rtt_ms: 40 };
                self.step(Event::Call { call: self.call, fact });
            }
            if words.far && self.count > 0 && self.state.call_kind().opens_doors() {
                self.decoded_ms += step;
                let statement = self.statement(true, false);
                self.step(statement);
            }
            if words.beats
                && self.state.call_kind().opens_doors()
                && let Some(beat) = self.beat()
            {
                self.step(beat);
            }
        }
    }

    /// The next one, if it is time for one.
    pub fn beat(&mut self) -> Option<Event> {
        let due = (self.now - self.granted) / (BEAT_S * 1000);
        (due > self.beats).then(|| {
            self.beats = due;
            Event::Beat(Beat { v: 1, device: DEVICE, grant: self.grant, count: due })
        })
    }

    pub fn statement(&mut self, decoding: bool, last: bool) -> Event {
        self.count += 1;
        let statement = Statement {
            v: 1,
            call: self.call,
            count: self.count,
            decoding,
            decoded_ms: self.decoded_ms,
            frames: 0,
            width: 0,
            height: 0,
            first_frame_ms: 0,
            sound_heard: false,
            last,
        };
        Event::Statement { party: 0, statement, jws: String::new() }
    }
}
