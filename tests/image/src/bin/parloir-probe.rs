//! Owns: the command line of the probe: what a test lets into a guest to look around there.
//! Never: in the image; it comes on a disk of its own, named by the virtual machine's firmware.
//! Called by: the guest's systemd (`serve`), the probe itself for programs that it runs (`as`), tests through it (`act`).

use std::process::ExitCode;

use parloir_image::{acts, guest};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.split_first() {
        Some((word, [port])) if word == "serve" => guest::serve(port),
        Some((word, rest)) if word == "as" => guest::role::become_and_execute(rest),
        Some((word, rest)) if word == "act" => {
            println!("{}", acts::run(rest));
            Ok(())
        }
        _ => Err(std::io::Error::other("usage: parloir-probe serve PORT | as ROLE PROGRAM... | act VERB...")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("probe: {why}");
            ExitCode::FAILURE
        }
    }
}
