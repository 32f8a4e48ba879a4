//! Owns: the command line of the facility.
//! Never: anything else.
//! Called by: the bench, the operator of a pilot, tests.
#![forbid(unsafe_code)]

use clap::Parser;
use parloir_facility::ddi::{self, orders::Order};
use parloir_facility::desk::{Desk, Settings, Wrong};
use parloir_facility::office::{Office, now, state_file};
use parloir_facility::tamper::Tamper;
use parloir_facility::turn::Relays;
use parloir_facility::web;
use parloir_issuer::Site;
use parloir_link::broker::{self, Identity};
use parloir_link::topic::Topics;
use std::io::{BufRead as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::sync::mpsc;

/// The other side of the wall, for demo, tests and a pilot of one site. One JSON object per line on stdout tells what happens.
#[derive(Parser)]
#[command(name = "parloir-facility", version, max_term_width = 100)]
struct Cli {
    /// Directory that `parloirctl init` made.
    #[arg(long)]
    dir: PathBuf,
    /// MQTT broker, HOST:PORT.
    #[arg(long)]
    broker: String,
    /// Where the visitor's page is served, HOST:PORT.
    #[arg(long)]
    https: String,
    /// Relay, HOST:PORT; the policy must name it.
    #[arg(long)]
    turn: String,
    /// File with the relay's secret (coturn's static-auth-secret).
    #[arg(long)]
    turn_secret: PathBuf,
    /// Bench only: grants allow host candidates too.
    #[arg(long)]
    direct_candidates: bool,
    /// Seconds until a visitor who does not join counts as absent; the box's question lives for 60.
    #[arg(long, default_value_t = 57)]
    absent_after: u64,
    /// Bench only: every grant is made wrong in this one way.
    #[arg(long, value_enum)]
    tamper: Option<Tamper>,
    /// Directory for what a restart must not lose (visits, counts, what links are made from); made if it is not there. Without it, a
    /// restart knows no visit and makes new links.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Take orders on stdin, one JSON object per line (docs/mqtt.md).
    #[arg(long)]
    console: bool,
    /// Serve updates too (hawkBit's device interface, mutual TLS), at HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    updates: Option<String>,
    /// How often the box shall ask for updates.
    #[arg(long, default_value = "00:05:00", value_name = "HH:MM:SS", requires = "updates")]
    updates_polling: String,
    /// Bench only: the console may send bytes of its own to the box.
    #[arg(long, requires = "console")]
    tamperable: bool,
}

/// Most bytes of an order.
const MAX_ORDER: u64 = 160 * 1024;

/// The lines of stdin, if they are wanted.
fn orders(wanted: bool) -> mpsc::Receiver<String> {
    let (tell, lines) = mpsc::channel(16);
    if wanted {
        // Its own thread: reading stdin blocks, and nothing waits for it at the end.
        std::thread::spawn(move || {
            let mut stdin = std::io::stdin().lock();
            loop {
                let mut line = String::new();
                match std::io::Read::take(&mut stdin, MAX_ORDER).read_line(&mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) if line.trim().is_empty() => {}
                    Ok(_) => {
                        if tell.blocking_send(line).is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
    lines
}

/// The update server, if it is wanted; orders for it go to it, all others on.
fn updates(cli: &Cli, site: &Site, mut lines: mpsc::Receiver<String>) -> Result<mpsc::Receiver<String>, Wrong> {
    let Some(address) = &cli.updates else { return Ok(lines) };
    let file = |name: &str| cli.dir.join(name);
    let settings = ddi::Settings {
        tenant: site.site.to_string(),
        controller: site.device.to_string(),
        cert: file("tls/https.pem"),
        key: file("tls/https.key"),
        clients: file("tls/updates-ca.pem"),
        client: file("updater/box.pem"),
        sleep: cli.updates_polling.clone(),
        state: cli.state.as_ref().map(|dir| dir.join("updates.json")),
    };
    let listener = TcpListener::bind(address).map_err(|e| format!("updates {address}: {e}"))?;
    let server = ddi::Server::start(listener, settings, print)?;
    let (rest, others) = mpsc::channel(16);
    tokio::spawn(async move {
        // As long as the process: the console may be closed, boxes still come.
        while let Some(line) = lines.recv().await {
            match Order::read(&line) {
                Some(Ok(order)) => server.order(order).await,
                Some(Err(error)) => print(&serde_json::json!({"event": "console", "error": error})),
                None => drop(rest.send(line).await),
            }
        }
        std::future::pending::<()>().await;
    });
    Ok(others)
}

fn print(value: &serde_json::Value) {
    // Whoever started us may have stopped listening; the visit goes on.
    let _ = writeln!(std::io::stdout().lock(), "{value}");
}

/// What the process before this one wrote.
fn kept(dir: &Path) -> Result<Option<Vec<u8>>, Wrong> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let path = state_file(dir);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{}: {e}", path.display()).into()),
    }
}

async fn run(cli: Cli) -> Result<(), Wrong> {
    let site = Site::load(&cli.dir)?;
    let topics = Topics::new(&site.site.0, &site.device.0);
    let secret = std::fs::read(&cli.turn_secret).map_err(|e| format!("{}: {e}", cli.turn_secret.display()))?;
    let relays = Relays { urls: vec![format!("turn:{}?transport=udp", cli.turn)], secret: secret.trim_ascii().to_vec() };
    let settings = Settings {
        relays,
        direct_candidates: cli.direct_candidates,
        absent_ms: cli.absent_after * 1000,
        tamper: cli.tamper,
        tamperable: cli.tamperable,
    };
    let before = cli.state.as_deref().map_or(Ok(None), kept)?;
    let console = updates(&cli, &site, orders(cli.console))?;
    let desk = Desk::new(site, settings, now(), before.as_deref())?;

    let file = |name: &str| cli.dir.join("tls").join(name);
    let identity = Identity { ca: file("ca.pem"), cert: file("facility.pem"), key: file("facility.key") };
    let options = broker::options("facility", &cli.broker, broker::tls(&identity)?)?;
    let state = cli.state.as_deref().map(state_file);
    let (office, events) = Office::new(desk, topics, options, state, Box::new(print));

    let listener = TcpListener::bind(&cli.https).map_err(|e| format!("https {}: {e}", cli.https))?;
    let base = format!("https://{}", listener.local_addr()?);
    let (to_office, pages) = mpsc::channel(256);
    let tls = web::tls(&file("https.pem"), &file("https.key"))?;
    tokio::select! {
        ended = office.run(events, pages, console, &base) => ended,
        ended = web::serve(listener, tls, to_office) => ended,
    }
}

fn main() -> ExitCode {
    parloir_shell::log::init("facility");
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.map_err(Wrong::from).and_then(|runtime| runtime.block_on(run(cli)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::warn!(error = %e, "facility ends");
            ExitCode::FAILURE
        }
    }
}
