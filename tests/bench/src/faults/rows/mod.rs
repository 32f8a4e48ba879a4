//! Owns: the rows by theme, in the order in which they are played, and what a row is made of.
//! Never: plays one.
//! Called by: the runner, the tables.

pub(crate) mod documents;
mod input;
mod machine;
mod parts;
mod visitor;

use super::rig::Rig;
use super::verdict::{Door, Expect, Paper, Says};
use crate::play::{Halt, Play};

/// On what a row is played.
#[derive(Clone, Copy)]
pub enum On {
    /// The one that many rows share, with a visitor on paper or none: it must be at home again afterwards.
    Shared,
    /// The same one, with a real browser, which is started once and late.
    Browser,
    /// One of its own, that was made ready like this while no cell ran.
    Own(fn(&mut Play) -> Result<(), Halt>),
}

/// A row of the table.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// What happens, in words for an operator.
    pub fault: &'static str,
    /// On what.
    pub on: On,
    /// In the stage `faults`; the others are played by `scripts/soak faults`.
    pub ci: bool,
    /// Into the state, and the fault.
    pub course: fn(&mut Rig) -> Result<(), Halt>,
    /// What is declared.
    pub expect: Expect,
}

/// All.
#[must_use]
pub fn all() -> Vec<Row> {
    [documents::ROWS, parts::BEFORE, machine::ROWS, input::ROWS, visitor::ROWS, parts::DURING].concat()
}

/// Nothing was asked of anybody, or it was refused at once.
const fn refused_at_home(codes: &'static [&'static str]) -> Expect {
    Expect { screen: Says::Refused(codes), door: Door::Never, receipt: Paper::None, restarts: &[], within_s: 10 }
}

/// Asked, and refused before any door opened: the receipt has the same reason.
const fn refused(codes: &'static [&'static str]) -> Expect {
    Expect { screen: Says::Refused(codes), door: Door::Never, receipt: Paper::One(codes), restarts: &[], within_s: 15 }
}

/// A visit that ends by the fault.
const fn ends(codes: &'static [&'static str], door: Door, within_s: u64) -> Expect {
    Expect { screen: Says::Ended(codes), door, receipt: Paper::One(codes), restarts: &[], within_s }
}

/// A visit that goes on; the person hangs up at the end of the row.
const fn goes_on(phase: &'static [&'static str], within_s: u64) -> Expect {
    let receipt = Paper::One(&["PersonEnded"]);
    Expect { screen: Says::Phase(phase), door: Door::Open, receipt, restarts: &[], within_s }
}
