//! Owns: `parloirctl completions` and `parloirctl man`: both from the one description of the command line.
//! Never: a page that is written by hand.
//! Called by: main.

use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{Cli, Fault};

/// Print the completions for a shell.
#[derive(clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Write the man pages, one for each command.
#[derive(clap::Args)]
pub struct ManArgs {
    /// Directory to write to; it must exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions.
pub fn completions(args: &CompletionsArgs) {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "parloirctl", &mut text);
    print!("{}", String::from_utf8_lossy(&text));
}

/// Writes the pages.
pub fn man(args: &ManArgs) -> Result<(), Fault> {
    let fault = |e| Fault::new(args.out.display(), e, "give a directory that can be written", "File");
    clap_mangen::generate_to(Cli::command(), &args.out).map_err(fault)
}
