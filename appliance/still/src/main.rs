//! Owns: a picture on the TV without a program behind it: from early in boot, and whenever nobody else shows anything.
//! Never: a key, a word of its own, the card for longer than it takes to set a mode, unless told to keep it.
//! Called by: systemd (parloir-still: what the TV says while everything starts; parloir-help: what it says when the screen keeps ending).

mod picture;
mod stand;

use parloir_shell::args::{Args, Flag, Refused};
use parloir_shell::{BootTime, notify};
use picture::Picture;
use stand::{Found, Stand};
use std::time::{Duration, Instant};
use tracing::{error, info};

const FLAGS: &[Flag] = &[
    Flag::required("--picture", "the PNG to show (RGB or grey, 8 bits a channel)"),
    Flag::switch("--keep", "stay the card's master: nobody else shows anything until this ends"),
    Flag::or("--for", "0", "end after this many seconds; 0: stand until ended"),
];

/// Time between two looks at who has the TV: a screen that ends leaves it dark for so long.
const LOOK: Duration = Duration::from_millis(250);

fn main() {
    parloir_shell::log::init("still");
    let args = Args::from_command_line("parloir-still", "one picture on the TV", FLAGS);
    if let Err(error) = run(&args) {
        error!(%error, "no picture can be shown");
        std::process::exit(1);
    }
}

/// `SIGTERM` ends the process where it is: the kernel takes the picture down.
fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let path = args.path("--picture")?;
    let picture = Picture::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let longest = seconds(args)?;
    let mut stand = Stand::new(picture, args.has("--keep"));
    let (began, mut before) = (Instant::now(), None);
    while longest.is_none_or(|l| began.elapsed() < l) {
        let found = stand.look();
        if before.as_ref() != Some(&found) {
            tell(&found);
            before = Some(found);
        }
        notify::watchdog();
        std::thread::sleep(LOOK);
    }
    notify::stopping();
    info!("the time is over");
    Ok(())
}

fn seconds(args: &Args) -> Result<Option<Duration>, Refused> {
    let seconds: u64 = args.parsed("--for", "a number of seconds")?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

/// Boot goes on as soon as it is known what stands; a card that is not there yet is waited for.
fn tell(found: &Found) {
    let words = found.to_string();
    info!(boot_ms = BootTime::now_ns() / 1_000_000, "{words}");
    notify::status(&words);
    match found {
        Found::Shown(_) | Found::NoTv | Found::Covered => notify::ready(),
        Found::NoCard(_) | Found::Trouble(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{FLAGS, seconds};
    use parloir_shell::args::Args;
    use std::time::Duration;

    fn read(line: &str) -> Args {
        Args::read(line.split_whitespace().map(str::to_owned), FLAGS).unwrap()
    }

    #[test]
    fn it_stands_until_told_otherwise() {
        assert_eq!(seconds(&read("--picture a.png")).unwrap(), None);
        assert_eq!(seconds(&read("--picture a.png --for 300")).unwrap(), Some(Duration::from_secs(300)));
        assert!(seconds(&read("--picture a.png --for soon")).is_err());
    }
}
