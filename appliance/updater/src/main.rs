//! Owns: the command line of updater.
//! Never: anything else.
//! Called by: systemd (`parloir-updater.service`).
#![forbid(unsafe_code)]

use parloir_shell::args::{Args, Flag, Refused};
use parloir_tls::Identity;
use parloir_updater::run::{Settings, run};
use std::process::ExitCode;

const FLAGS: &[Flag] = &[
    Flag::required("--server", "the facility's update server, HOST:PORT; empty: no updates"),
    Flag::required("--controller", "this box, as the server knows it"),
    Flag::required("--tenant", "the site, as the server knows it"),
    Flag::or("--state", "/var/lib/parloir/updater", "what is kept"),
    Flag::or("--run", "/run/parloir/updater", "what this boot alone knows"),
    Flag::or("--ca", "/var/lib/parloir/keys/updater/ca.pem", "who signs the server's certificate (PEM)"),
    Flag::or("--cert", "/var/lib/parloir/keys/updater/box.pem", "our certificate (PEM)"),
    Flag::or("--key", "/var/lib/parloir/keys/updater/box.key", "our key (PEM)"),
    Flag::or("--rate", "1000000", "most bytes in a second of a forced download; another takes a quarter"),
    Flag::or("--camera", "/dev/parloir/camera", "the camera's node, when it enumerates"),
    Flag::or("--os-release", "/usr/lib/os-release", "names the version that runs, IMAGE_VERSION"),
    Flag::or("--trial-log", "/var/lib/parloir/rauc/trial.log", "what a failed trial's safety net leaves"),
];

fn settings(args: &Args) -> Result<Settings, Refused> {
    Ok(Settings {
        server: args.text("--server")?.to_owned(),
        controller: args.text("--controller")?.to_owned(),
        tenant: args.text("--tenant")?.to_owned(),
        state: args.path("--state")?,
        run: args.path("--run")?,
        identity: Identity { ca: args.path("--ca")?, cert: args.path("--cert")?, key: args.path("--key")? },
        rate: args.parsed("--rate", "a number of bytes")?,
        camera: args.path("--camera")?,
        os_release: args.path("--os-release")?,
        trial_log: args.path("--trial-log")?,
    })
}

fn main() -> ExitCode {
    parloir_shell::log::init("updater");
    let args = Args::from_command_line("parloir-updater", "gets and installs images", FLAGS);
    let settings = match settings(&args) {
        Ok(settings) => settings,
        Err(e) => {
            eprintln!("parloir-updater: {e}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().max_blocking_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            tracing::error!(error = %e, "no event loop");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            tracing::warn!(error = %e, "updater ends");
            ExitCode::FAILURE
        }
    }
}
