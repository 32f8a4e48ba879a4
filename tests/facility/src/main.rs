//! Owns: the command line of the facility.
//! Never: anything else.
//! Called by: the bench, the operator of a pilot, tests.
#![forbid(unsafe_code)]

use clap::Parser;
use parloir_facility::desk::{Desk, Settings, Wrong};
use parloir_facility::office::{Office, now};
use parloir_facility::tamper::Tamper;
use parloir_facility::turn::Relays;
use parloir_facility::web;
use parloir_issuer::Site;
use parloir_link::broker::{self, Identity};
use parloir_link::topic::Topics;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
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
}

async fn run(cli: Cli) -> Result<(), Wrong> {
    let site = Site::load(&cli.dir)?;
    let topics = Topics::new(&site.site.0, &site.device.0);
    let secret = std::fs::read(&cli.turn_secret).map_err(|e| format!("{}: {e}", cli.turn_secret.display()))?;
    let relays = Relays { urls: vec![format!("turn:{}?transport=udp", cli.turn)], secret: secret.trim_ascii().to_vec() };
    let settings =
        Settings { relays, direct_candidates: cli.direct_candidates, absent_ms: cli.absent_after * 1000, tamper: cli.tamper };
    let desk = Desk::new(site, settings, now())?;

    let file = |name: &str| cli.dir.join("tls").join(name);
    let identity = Identity { ca: file("ca.pem"), cert: file("facility.pem"), key: file("facility.key") };
    let options = broker::options("facility", &cli.broker, broker::tls(&identity)?)?;
    let print = Box::new(|value: &serde_json::Value| {
        // Whoever started us may have stopped listening; the visit goes on.
        let _ = writeln!(std::io::stdout().lock(), "{value}");
    });
    let (office, events) = Office::new(desk, topics, options, print);

    let listener = TcpListener::bind(&cli.https).map_err(|e| format!("https {}: {e}", cli.https))?;
    let base = format!("https://{}", listener.local_addr()?);
    let (to_office, pages) = mpsc::channel(256);
    let tls = web::tls(&file("https.pem"), &file("https.key"))?;
    tokio::select! {
        ended = office.run(events, pages, &base) => ended,
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
