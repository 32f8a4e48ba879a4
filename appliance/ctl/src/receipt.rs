use crate::Fault;
#[derive(clap::Args)]
pub struct Args {}
pub fn run(_: &Args) -> Result<(), Fault> { Ok(()) }
#[derive(clap::Subcommand)]
pub enum Command { Verify(Args) }
