//! Owns: when two boxes are the same to the exploration: their state printed, times as classes, serials by age, figures left out.
//! Never: forgets a field by accident: what is not named here is compared as it is.
//! Called by: explore/world.rs.
//!
//! It reads what `Debug` writes, piece by piece. Every number between [`EPOCH`] and [`FAR_FUTURE`] is a moment of the monotonic clock (the
//! exploration begins there), so a new timer takes part without being named.

use parloir_core::{Now, State, call};
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::OnceLock;

/// Where the monotonic clock of the exploration begins.
pub const EPOCH: u64 = 1_000_000;
const FAR_FUTURE: u64 = 1_000_000_000;
/// Where the serials of key presses begin.
pub const SERIALS: u64 = 100_000;

/// Fields whose value changes nothing that can happen next, or that `World` tells by itself.
const LEFT_OUT: [&str; 5] = [
    // Documents and settings: `World::papers` says which are there. What was the last step, and what a screen shows of it.
    "settings authority policy entitlement agenda floors shown rows door_rows key_rows shifts session_rows verdict last update ending network pictures",
    // Facts for the receipt, and words for the record.
    "first_here first_there asked_at admitted_at granted_at ended_at wall_start jws frames next_record generation earlier lets",
    // Counts that only grow; what they do is in the times.
    "count beat_count decoded_ms unix_ms",
    // The fair clock's runs: the counted time stands for them.
    "since past past_ms past_gaps recent",
    // Rings that were: each is a new one. What the person lets out, and what cannot go out, moves no machine.
    "seen wanted broken",
];

/// How far a figure that is bounded has come: compared as "spent, or not".
const BOUNDED: [(&str, u64); 3] = [("recalls", 8), ("asked", 4), ("relaunched", 3)];

/// Moments that are only waited for: once past, it does not matter for how long.
const AWAITED: [&str; 3] = ["not_before", "answer_from", "until"];

/// Of a visit that is over, only whether its parties have said their last word.
const OF_THE_CLOSED: [&str; 5] = ["far", "word", "statement", "last", "ring"];

/// Writes down what matters.
pub struct Key {
    text: String,
    now: u64,
    serial: u64,
    counted: u64,
    kind: call::Kind,
    depth: u32,
    /// Depth at which what is left out began; the same of a visit that is over, and of the wall clock.
    skips: Option<u32>,
    closed: Option<u32>,
    wall: Option<u32>,
    piece: String,
    name: String,
}

/// Classes of a stretch of time: the core's own limits lie between them.
fn class(ms: u64) -> u64 {
    const LIMITS: [u64; 5] = [0, 1000, 5000, 16_000, 61_000];
    LIMITS.iter().position(|limit| ms <= *limit).unwrap_or(LIMITS.len()) as u64
}

fn left_out(name: &str) -> bool {
    static NAMES: OnceLock<HashSet<&str>> = OnceLock::new();
    NAMES.get_or_init(|| LEFT_OUT.iter().flat_map(|line| line.split(' ')).collect()).contains(name)
}

impl Key {
    pub fn of(state: &State, now: u64, serial: u64) -> String {
        let counted = state.counted_ms(Now { mono_ms: now });
        let mut key = Self {
            text: String::with_capacity(2048),
            now,
            serial,
            counted,
            kind: state.call_kind(),
            depth: 0,
            skips: None,
            closed: None,
            wall: None,
            piece: String::new(),
            name: String::new(),
        };
        write!(key, "{state:?}").expect("a string takes everything");
        key.presses();
        key.text += &format!(" counted {}", class(counted));
        key.text
    }

    /// Moves quote the last press: of the others it matters whether there is one. Nobody can place or answer in a call.
    fn presses(&mut self) {
        let Some((before, rest)) = self.text.split_once("presses: [") else { return };
        let Some((presses, after)) = rest.split_once(']') else { return };
        let last = presses.split("}, ").find(|press| press.contains("serial: 0")).unwrap_or("used");
        let last = if self.quotes() { last } else { "" };
        let others = self.quotes() && presses.split("}, ").count() > 1;
        self.text = format!("{before}presses: [{last} {others}]{after}");
    }

    fn quotes(&self) -> bool {
        matches!(self.kind, call::Kind::Idle | call::Kind::Ringing)
    }

    fn named(&mut self) {
        self.name.clone_from(&self.piece);
        let name = self.name.as_str();
        let over = self.closed.is_some();
        let skips = match name {
            _ if over => !OF_THE_CLOSED.contains(&name),
            // Of the last step, and of the word about the wall clock.
            "at" => self.depth == 1 || self.wall.is_some(),
            "join_until" => self.kind != call::Kind::Joining,
            // Whether a call can begin; one that goes on is not told.
            "online" => !self.quotes(),
            "serial" => !self.quotes(),
            other => left_out(other),
        };
        match name {
            _ if skips => self.skips = Some(self.depth),
            "came" => self.closed = Some(self.depth),
            "clock" if self.depth == 1 => self.wall = Some(self.depth),
            _ => {}
        }
    }

    fn number(&self, value: u64) -> u64 {
        if let Some((_, most)) = BOUNDED.iter().find(|(name, _)| *name == self.name) {
            return u64::from(value >= *most);
        }
        match value {
            _ if self.name == "slot_ms" => class(value.saturating_sub(self.counted)),
            _ if self.name == "serial" => self.serial.saturating_sub(value).min(2),
            EPOCH..FAR_FUTURE if value > self.now => class(value - self.now),
            EPOCH..FAR_FUTURE if AWAITED.contains(&self.name.as_str()) => 100,
            EPOCH..FAR_FUTURE => 100 + class(self.now - value),
            FAR_FUTURE.. => 0,
            _ => value,
        }
    }

    // What began at this depth is over.
    fn ends(&mut self, depth: u32) {
        for scope in [&mut self.skips, &mut self.closed, &mut self.wall] {
            if *scope == Some(depth) {
                *scope = None;
            }
        }
    }
}

impl Write for Key {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        match piece {
            " { " | "(" | "[" | "{" => self.depth += 1,
            // The last is what a type writes that does not print all of itself.
            " }" | ")" | "]" | "}" | ", .. }" => {
                self.ends(self.depth);
                self.depth -= 1;
            }
            ", " => self.ends(self.depth),
            ": " if self.skips.is_none() => self.named(),
            _ => {}
        }
        if self.skips.is_some() {
            return Ok(());
        }
        match piece.parse::<u64>() {
            Ok(value) => self.text += &self.number(value).to_string(),
            Err(_) => self.text.push_str(piece),
        }
        self.piece.clear();
        self.piece.push_str(piece);
        Ok(())
    }
}
