//! Owns: the loop: twice a second the two files and the box's own addresses are looked at, and what differs goes to the firewall.
//! Never: opens more than the files name; ends because a file is wrong: then what it names is shut, and the journal says so.
//! Called by: `parloir-peers.service`.
//!
//! It looks instead of waiting to be told: a policy, a lease and a restart of the firewall may come at the same moment, and a change
//! that nobody reports would keep a box off the network, or a removed relay on it, until the next one.
#![forbid(unsafe_code)]

use parloir_peers::refusal::{Code, Refused};
use parloir_peers::{Peers, files, judge, kernel};
use parloir_shell::args::{self, Args, Flag};
use parloir_shell::{log, notify};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

const FLAGS: &[Flag] = &[
    Flag::or("--box", "/var/lib/parloir/box.env", "file that names broker and update server"),
    Flag::or("--relays", "/run/parloir/arbiter/relays", "the arbiter's list of the policy's relays"),
    Flag::or("--nft", "/usr/sbin/nft", "the firewall's own tool"),
];
/// How often everything is looked at.
const TURN: Duration = Duration::from_millis(500);

struct Config {
    box_env: PathBuf,
    relays: PathBuf,
    nft: PathBuf,
}

/// What one look found.
#[derive(Default, PartialEq, Eq)]
struct Found {
    peers: Peers,
    refused: Vec<Refused>,
    /// The box has an address.
    online: bool,
}

fn main() -> ExitCode {
    log::init("peers");
    let args = Args::from_command_line("parloir-peers", "tells the firewall whom the box may speak to", FLAGS);
    match config(&args) {
        Ok(config) => run(&config),
        Err(error) => {
            eprintln!("parloir-peers: {error}");
            ExitCode::from(2)
        }
    }
}

fn config(args: &Args) -> Result<Config, args::Refused> {
    Ok(Config { box_env: args.path("--box")?, relays: args.path("--relays")?, nft: args.path("--nft")? })
}

fn run(config: &Config) -> ExitCode {
    let mut last = None;
    loop {
        let found = look(config);
        if last.as_ref() != Some(&found) {
            say(&found);
            // What was open before may be what is to be shut: ending lets the service manager try again from the start, for ever.
            if let Err(refused) = kernel::set(&config.nft, &found.peers) {
                tracing::warn!(code = refused.code.name(), "{refused}");
                return ExitCode::FAILURE;
            }
            if last.replace(found).is_none() {
                notify::ready();
            }
        }
        notify::watchdog();
        std::thread::sleep(TURN);
    }
}

fn look(config: &Config) -> Found {
    let mut refused = Vec::new();
    let mut keep = |no: Refused| refused.push(no);
    let text = read(&config.box_env, Code::BoxFile).map_err(&mut keep).ok();
    let broker = text.as_ref().and_then(|text| files::broker(text).map_err(&mut keep).ok());
    // A file that is wrong as a whole was said already.
    let updates = text.and_then(|text| {
        files::updates(&text)
            .map_err(|no| {
                if broker.is_some() {
                    keep(no)
                }
            })
            .ok()
            .flatten()
    });
    let text = read(&config.relays, Code::RelaysFile).map_err(&mut keep).ok();
    let relays = text.and_then(|text| files::relays(&text).map_err(&mut keep).ok()).unwrap_or_default();
    let nets = kernel::own_nets().map_err(&mut keep).unwrap_or_default();
    let (peers, more) = judge(broker.as_ref(), updates.as_ref(), &relays, &nets);
    refused.extend(more);
    Found { peers, refused, online: !nets.is_empty() }
}

/// A file that is not there is an empty one: the arbiter writes its list when there is a policy.
fn read(path: &Path, code: Code) -> Result<Vec<u8>, Refused> {
    let read = files::small(path).map_err(|error| Refused::new(code, format!("{}: {error}", path.display())))?;
    Ok(read.unwrap_or_default())
}

/// For the journal and for `systemctl status`.
fn say(found: &Found) {
    for refused in &found.refused {
        tracing::warn!(code = refused.code.name(), "{refused}");
    }
    let (link, call) = (found.peers.link_tcp.len(), found.peers.call_udp.len() + found.peers.call_tcp.len());
    let status = match (found.online, &found.peers.link_tcp.first()) {
        (false, _) => "shut: the box has no address".to_owned(),
        (true, None) => format!("no broker, {call} relays"),
        (true, Some((address, port))) => format!("broker {address}:{port}, {call} relays"),
    };
    let updater = found.peers.updater_tcp.len();
    tracing::info!(link, updater, call, refused = found.refused.len(), "{status}");
    notify::status(&status);
}
