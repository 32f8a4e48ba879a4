//! Owns: what somebody who got into a process of the box would try next: each verb tries, and says in one object what came of it.
//! Never: judges whether that is good; undoes what it did.
//! Called by: the probe, as `parloir-probe act VERB WORDS…`, as the user and in the place that a test wants.

mod bus;
mod door;
mod files;
mod keys;
mod reach;

use std::io;

use serde_json::{Value, json};

/// Tries what the words say.
#[must_use]
pub fn run(args: &[String]) -> Value {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["eyes"] => files::eyes(),
        ["open", paths @ ..] => files::open_all(paths),
        ["write", paths @ ..] => files::write_all(paths),
        ["mount"] => files::mounts(),
        ["fill", directory, leave] => files::fill(directory, leave.parse().unwrap_or(0)),
        ["unfill", directory] => files::unfill(directory),
        ["set-clock", unix] => set_clock(unix.parse().unwrap_or(0)),
        ["reach", targets @ ..] => reach::all(targets),
        ["connect", paths @ ..] => reach::connect_all(paths),
        ["dial"] => bus::now(bus::dial()),
        ["deliver", kind, hex] => bus::now(bus::deliver(kind, hex)),
        ["names"] => bus::now(bus::names()),
        ["manager"] => bus::now(bus::manager()),
        ["door", ticket @ ..] => door::talk(ticket.first().copied().unwrap_or_default()),
        ["type", name, keys @ ..] => keys::type_on(name, keys),
        _ => json!({ "wrong": format!("no act is called {words:?}") }),
    }
}

/// The system's clock to this Unix time: what a board whose battery is dead, or that lies, would boot with.
fn set_clock(unix: i64) -> Value {
    let time = nix::sys::time::TimeSpec::new(unix, 0);
    json!({ "came": word(nix::time::clock_settime(nix::time::ClockId::CLOCK_REALTIME, time).map_err(io::Error::from)) })
}

/// What a try came to: `done`, or the kernel's word for no.
fn word<T>(result: io::Result<T>) -> String {
    match result {
        Ok(_) => "done".to_owned(),
        Err(why) => said(&why),
    }
}

fn said(why: &io::Error) -> String {
    why.raw_os_error().map_or_else(|| why.to_string(), |number| format!("{:?}", nix::errno::Errno::from_raw(number)))
}

/// Bytes of hexadecimal digits; what is none is nothing.
fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map_while(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_act_says_so() {
        assert!(run(&["dance".to_owned()])["wrong"].as_str().is_some_and(|why| why.contains("dance")));
    }

    #[test]
    fn a_no_has_the_kernels_name() {
        assert_eq!(word(std::fs::File::open("/no/such/file")), "ENOENT");
        assert_eq!(word(std::fs::File::open("/dev/null")), "done");
        assert_eq!(unhex("00ff7f"), [0, 255, 127]);
    }
}
