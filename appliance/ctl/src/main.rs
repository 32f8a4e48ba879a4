//! Owns: the command line for whoever provisions a site, writes a policy, checks a document or asks why a box said no.
//! Never: authority of its own; root; a place where it is needed for a visit.
//! Called by: people, the bench, facility's operator.
#![forbid(unsafe_code)]

mod board;
mod explain;
mod export;
mod fault;
mod init;
mod inspect;
mod ledger;
mod lint;
mod pages;
mod receipt;
mod replay;
mod schema;
mod show;
mod sign;
mod update;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use fault::Fault;

/// Provisions a site, signs and checks the documents that carry authority, explains what a box says of itself, and says to an image what
/// hardware it is for.
///
/// Results go to stdout, refusals to stderr with thing, place, cause, next step and a stable code. With --json both are JSON.
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
    Completions(pages::CompletionsArgs),
    Explain(explain::Args),
    Init(init::Args),
    Inspect(inspect::Args),
    /// The ledger of a box, in a diagnostics export.
    #[command(subcommand)]
    Ledger(ledger::Command),
    #[command(alias = "lint-policy")]
    Lint(lint::Args),
    Man(pages::ManArgs),
    /// Receipts of visits.
    #[command(subcommand)]
    Receipt(receipt::Command),
    Replay(replay::Args),
    Schema(schema::Args),
    Show(show::Args),
    Sign(sign::Args),
    #[command(subcommand)]
    Update(update::Command),
    Verify(inspect::VerifyArgs),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Board(command) => board::run(&command),
        Command::Completions(args) => {
            pages::completions(&args);
            Ok(())
        }
        Command::Explain(args) => explain::run(&args),
        Command::Init(args) => init::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Ledger(command) => ledger::run(&command),
        Command::Lint(args) => lint::run(&args),
        Command::Man(args) => pages::man(&args),
        Command::Receipt(receipt::Command::Verify(args)) => receipt::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Update(command) => update::run(&command),
        Command::Verify(args) => inspect::say_verified(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever wants results as JSON reads refusals so too.
        Err(fault) if std::env::args_os().any(|word| word == "--json") => {
            eprintln!("{}", fault.json());
            ExitCode::FAILURE
        }
        Err(fault) => {
            eprintln!("parloirctl: {fault}");
            ExitCode::FAILURE
        }
    }
}
