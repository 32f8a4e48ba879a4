//! Owns: the command line of link.
//! Never: anything else.
//! Called by: systemd (`parloir-link.service`), the bench's supervisor.
#![forbid(unsafe_code)]

use parloir_link::broker::Identity;
use parloir_link::run::{Settings, run};
use parloir_shell::args::{Args, Flag, Refused};
use std::process::ExitCode;

const FLAGS: &[Flag] = &[
    Flag::required("--site", "the site, 32 hex digits"),
    Flag::required("--device", "this box, 32 hex digits"),
    Flag::required("--broker", "the facility's MQTT broker, HOST:PORT"),
    Flag::or("--ca", "/etc/parloir/tls/ca.pem", "who signs the broker's certificate (PEM)"),
    Flag::or("--cert", "/var/lib/parloir/link/box.pem", "our certificate (PEM)"),
    Flag::or("--key", "/var/lib/parloir/link/box.key", "our key (PEM)"),
];

fn settings(args: &Args) -> Result<Settings, Refused> {
    Ok(Settings {
        site: args.id("--site")?,
        device: args.id("--device")?,
        broker: args.text("--broker")?.to_owned(),
        identity: Identity { ca: args.path("--ca")?, cert: args.path("--cert")?, key: args.path("--key")? },
    })
}

fn main() -> ExitCode {
    parloir_shell::log::init("link");
    let args = Args::from_command_line("parloir-link", "carries bodies between the arbiter and the facility", FLAGS);
    let settings = match settings(&args) {
        Ok(settings) => settings,
        Err(e) => {
            eprintln!("parloir-link: {e}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            tracing::error!(error = %e, "no event loop");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::warn!(error = %e, "link ends");
            ExitCode::FAILURE
        }
    }
}
