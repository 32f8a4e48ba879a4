//! Owns: the command line for whoever provisions a site, writes a policy or checks a document.
//! Never: authority of its own; root; a place where it is needed for a visit.
//! Called by: people, the bench, facility's operator.
#![forbid(unsafe_code)]

mod board;
mod fault;
mod init;
mod inspect;
mod lint;
mod receipt;
mod schema;
mod update;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use fault::Fault;

/// Provisions a site, checks the documents that carry authority, and says to an image what hardware it is for.
///
/// Results go to stdout, refusals to stderr with thing, place, cause, next step and a stable code.
/// Exit status: 0 done, 1 refused, 2 wrong use.
#[derive(Parser)]
#[command(name = "parloirctl", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The hardware of a box: board.toml.
    #[command(subcommand)]
    Board(board::Command),
    Init(init::Args),
    Inspect(inspect::Args),
    LintPolicy(lint::Args),
    /// Receipts of visits.
    #[command(subcommand)]
    Receipt(receipt::Command),
    Schema(schema::Args),
    #[command(subcommand)]
    Update(update::Command),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Board(command) => board::run(&command),
        Command::Init(args) => init::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::LintPolicy(args) => lint::run(&args),
        Command::Receipt(receipt::Command::Verify(args)) => receipt::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Update(command) => update::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("parloirctl: {fault}");
            ExitCode::FAILURE
        }
    }
}
