//! Owns: the arbiter's start: command line, keys, database, bus, gate, in this order.
//! Never: decides anything.
//! Called by: `parloir-arbiter.service`, the bench's supervisor.
#![forbid(unsafe_code)]

use parloir_arbiter::bus::{self, Users};
use parloir_arbiter::disk::Disk;
use parloir_arbiter::documents::Documents;
use parloir_arbiter::gate::{self, Pulse};
use parloir_arbiter::input::Input;
use parloir_arbiter::picture::Picture;
use parloir_arbiter::relays::Relays;
use parloir_arbiter::run::{Arbiter, Parts};
use parloir_arbiter::store::Store;
use parloir_core::state::Floors;
use parloir_core::{Settings, State};
use parloir_pass::Typ;
use parloir_shell::args::{Args, Flag, Refused};
use parloir_shell::{log, notify};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

const FLAGS: &[Flag] = &[
    Flag::or("--keys", "/var/lib/parloir/keys", "directory with ask.key, unseal.key, device.id and site.id"),
    Flag::or("--roots", "/usr/lib/parloir/roots.bin", "root keys, part of the read-only image"),
    Flag::or("--state", "/var/lib/parloir/arbiter", "directory of the database"),
    Flag::or("--gate", "/run/parloir/gate.sock", "socket of parloir-gate"),
    Flag::or("--screen-user", "parloir-ui", "who may call Calls1 and Remote1"),
    Flag::or("--courier-user", "parloir-link", "who may call Courier1 and Diagnostics1"),
    Flag::or("--updater-user", "parloir-updater", "who may call Maintenance1; a box without that user is never updated"),
    Flag::optional("--relays", "file that says the policy's relays to parloir-peers"),
    Flag::or("--picture", "1280x720@30", "largest picture of a visit, each way: what this board can encode and decode"),
    Flag::switch("--bench-direct", "bench only: a grant may allow direct candidates"),
];
/// Inputs that wait for the core.
const QUEUE: usize = 64;

struct Config {
    keys: PathBuf,
    roots: PathBuf,
    state: PathBuf,
    gate: PathBuf,
    users: Users,
    relays: Option<PathBuf>,
    picture: Picture,
    bench_direct: bool,
}

impl Config {
    fn read(args: &Args) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            keys: args.path("--keys")?,
            roots: args.path("--roots")?,
            state: args.path("--state")?,
            gate: args.path("--gate")?,
            users: Users {
                screen: user(args, "--screen-user")?,
                courier: user(args, "--courier-user")?,
                // No user has this number (POSIX: uid_t of -1).
                updater: user(args, "--updater-user").unwrap_or(u32::MAX),
            },
            relays: args.optional("--relays").map(PathBuf::from),
            picture: args.parsed("--picture", Picture::WANTED)?,
            bench_direct: args.has("--bench-direct"),
        })
    }
}

fn user(args: &Args, name: &'static str) -> Result<u32, Box<dyn Error>> {
    let text = args.text(name)?;
    let unknown = Refused::Form { name, value: text.to_owned(), wanted: "a user of this system: make it by sysusers.d" };
    Ok(nix::unistd::User::from_name(text)?.ok_or(unknown)?.uid.as_raw())
}

fn main() -> ExitCode {
    log::init("arbiter");
    let args = Args::from_command_line("parloir-arbiter", "decides who may see whom, when, and for how long", FLAGS);
    let config = match Config::read(&args) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("parloir-arbiter: {error}");
            return ExitCode::from(2);
        }
    };
    match start(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::warn!(%error, "the arbiter ends");
            ExitCode::FAILURE
        }
    }
}

fn start(config: &Config) -> Result<(), Box<dyn Error>> {
    let mut documents = Documents::load(&config.keys, &config.roots)?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    let disk = Disk::open(&config.state, &boot);
    documents.restore_denied(disk.floors().denied.iter().copied());
    let floor = |typ: Typ| disk.floors().floor(typ.name());
    let floors = Floors {
        authority: floor(Typ::Authority),
        policy: floor(Typ::Policy),
        entitlement: floor(Typ::Entitlement),
        agenda: floor(Typ::Agenda),
    };
    let settings = Settings { device: documents.device(), site: documents.site(), bench_direct: config.bench_direct, floors };
    let store = Store::start(disk)?;
    let core = State::new(settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(config, core, documents, store, boot))
}

async fn serve(config: &Config, core: State, documents: Documents, store: Store, boot: String) -> Result<(), Box<dyn Error>> {
    let (inputs, queue) = mpsc::channel(QUEUE);
    let pulse = Pulse::default();
    let voice = bus::serve(config.users, inputs.clone()).await?;
    let relays = Relays::new(config.relays.clone());
    let parts = Parts {
        core,
        documents,
        store,
        inputs: inputs.clone(),
        voice,
        pulse: pulse.clone(),
        boot,
        relays,
        picture: config.picture,
    };
    let mut arbiter = Arbiter::new(parts)?;
    arbiter.restore().await;
    tokio::spawn(gate::run(config.gate.clone(), pulse, inputs.clone()));
    tokio::spawn(stop_at_signal(inputs));
    notify::ready();
    arbiter.run(queue).await?;
    notify::stopping();
    Ok(())
}

async fn stop_at_signal(inputs: mpsc::Sender<Input>) {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    terminate.recv().await;
    let _ = inputs.send(Input::Stop).await;
}
