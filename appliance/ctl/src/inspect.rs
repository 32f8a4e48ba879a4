use crate::Fault;
#[derive(clap::Args)]
pub struct Args {}
pub fn run(_: &Args) -> Result<(), Fault> { Ok(()) }
