//! Owns: the start of gate.
//! Never: anything else; see the library beside it.
//! Called by: `parloir-gate.service`, or the bench's supervisor. `parloir-gate shut …` closes every door and ends (`ExecStopPost=`).

use parloir_gate::{config, run};

fn main() -> Result<(), String> {
    let mut words = std::env::args().skip(1).peekable();
    let only_shut = words.next_if_eq("shut").is_some();
    let config = config::parse(words)?;
    if only_shut { run::shut(&config) } else { run::run(config) }
}
