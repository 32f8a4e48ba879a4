//! Owns: `parloirctl update`: bundles that boxes install, and what boxes say of them.
//! Never: a key of its own; a way to a box.
//! Called by: main.

mod bundle;
mod check;
mod container;
mod inspect;
mod manifest;
mod meaning;
mod progress;
mod rauc;
mod refusal;
mod say;
mod status;
mod verify;
mod verity;

use std::fmt::Write as _;

use clap::Subcommand;

use crate::Fault;

/// Bundles for boxes: made, judged as a box judges them, and what the boxes report.
#[derive(Subcommand)]
pub enum Command {
    Bundle(bundle::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Status(status::Args),
}

/// Does it.
pub fn run(command: &Command) -> Result<(), Fault> {
    match command {
        Command::Bundle(args) => bundle::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Status(args) => status::run(args),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
