//! Owns: the start of gate.
//! Never: anything else; see the library beside it.
//! Called by: `parloir-gate.service`, or the bench's supervisor. `parloir-gate shut …` closes every door and ends (`ExecStopPost=`).

use std::process::ExitCode;

use parloir_gate::{config, run};

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let only_shut = words.first().is_some_and(|w| w == "shut");
    if only_shut {
        words.remove(0);
    }
    let outcome =
        config::parse(words.into_iter()).and_then(|config| if only_shut { run::shut(&config) } else { run::run(config) });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("<3>gate: {why}");
            ExitCode::FAILURE
        }
    }
}
