//! Owns: the visitor's process: the facility's own visitor, told by lines on stdin, telling by lines on stdout.
//! Never: runs as the user of any other part; that is why it is a process.
//! Called by: the stage, as `parloir-bench visitor`.

use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;

use parloir_facility::guest;
use parloir_facility::visitor::{Options, Trouble};
use serde_json::Value;
use tokio::sync::mpsc;

/// What the visitor is told.
#[derive(clap::Args)]
pub struct Guest {
    /// The link.
    #[arg(long)]
    url: String,
    /// Camera: a Y4M file.
    #[arg(long)]
    camera: PathBuf,
    /// Microphone: a WAV file.
    #[arg(long)]
    sound: PathBuf,
    /// The page's certificate, PEM.
    #[arg(long)]
    certificate: PathBuf,
    /// Where pictures go, and the browser's profile.
    #[arg(long)]
    out: PathBuf,
    /// After an end, go on taking orders.
    #[arg(long)]
    stay: bool,
}

/// Waits for the call, joins, stays until the page shows another view than the visit; or does what each line of stdin says.
///
/// # Errors
/// [`Trouble`]: no browser, or a page that does not come to where it should.
pub async fn visit(guest: &Guest) -> Result<(), Trouble> {
    let options = Options {
        url: guest.url.clone(),
        camera: guest.camera.clone(),
        microphone: guest.sound.clone(),
        https_certificate: guest.certificate.clone(),
        work: guest.out.join("browser"),
        window: (1280, 720),
        refuse_camera: false,
    };
    let (say, orders) = mpsc::channel(16);
    // Its own thread: reading stdin blocks, and nothing waits for it at the end.
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for line in lines.filter(|line| !line.trim().is_empty()) {
            if say.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut tell = |event: &Value| {
        // Whoever started us may have stopped listening.
        let _ = writeln!(std::io::stdout().lock(), "{event}");
    };
    guest::run(options, guest.out.clone(), guest.stay, orders, &mut tell).await
}
