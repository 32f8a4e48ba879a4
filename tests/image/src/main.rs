//! Owns: the command line of the machine.
//! Never: does more than to read it and call the library.
//! Called by: `scripts/image boot`, a person beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use parloir_image::{Uki, boot};

/// Parloir's reference image in a virtual machine, with a facility around it.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Boots the image with a new site's keys; its console comes here, Ctrl-C ends it.
    Boot {
        /// The product's command line, or the one that lets the probe in: only with that one keys can be pressed.
        #[arg(long, value_enum, default_value = "probe")]
        uki: Kind,
        /// A headless Chromium waits for calls and joins.
        #[arg(long)]
        visitor: bool,
        /// A Unix socket on which QEMU serves the screen by VNC.
        #[arg(long, value_name = "FILE")]
        vnc: Option<PathBuf>,
    },
    /// Presses keys of the TV's remote in the machine that was booted with the probe: select up down left right back 1 2 ...
    Key {
        /// Names as cec-ctl has them.
        #[arg(required = true)]
        keys: Vec<String>,
    },
    /// Runs a program of the image as root in the machine that was booted with the probe.
    Run {
        /// Program and arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<String>,
    },
    /// Saves the TV's picture of the machine that was booted.
    Look {
        /// A PNG.
        file: PathBuf,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    Box,
    Probe,
}

fn main() -> ExitCode {
    let done = match Line::parse().what {
        What::Boot { uki, visitor, vnc } => {
            let uki = if matches!(uki, Kind::Box) { Uki::Box } else { Uki::Probe };
            boot::boot(&boot::Wanted { uki, visitor, vnc });
            Ok(())
        }
        What::Key { keys } => boot::order(&boot::Order::Keys(keys)).map(drop),
        What::Run { argv } => boot::order(&boot::Order::Run(argv)).map(|told| print!("{told}")),
        What::Look { file } => boot::look(&file),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("parloir-machine: {why}");
            ExitCode::FAILURE
        }
    }
}
