//! Owns: the visitor's process: a real Chromium at the facility's page, and what the page measures as lines of JSON.
//! Never: runs as the user of any other part; that is why it is a process.
//! Called by: the stage, as `parloir-bench visitor`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use parloir_facility::visitor::{Options, Trouble, Visitor};
use serde_json::{Value, json};

/// How often the page is asked.
const LOOK: Duration = Duration::from_millis(200);
/// How long the visitor waits for a call.
const PATIENCE: Duration = Duration::from_secs(120);
/// Moments of the visit at which pictures are saved.
const PICTURES: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(12)];

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
}

fn tell(event: &Value) {
    println!("{event}");
}

/// Waits for the call, joins, stays until the page shows another view than the visit.
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
    };
    let visitor = Visitor::open(options).await?;
    visitor.check_devices().await?;
    tell(&json!({ "event": "waiting" }));
    visitor.join(PATIENCE).await?;
    tell(&json!({ "event": "joined" }));
    stay(&visitor, guest).await?;
    // The page shows the receipt a moment after the end.
    tokio::time::sleep(Duration::from_secs(2)).await;
    visitor.picture(&guest.out.join("ended.png")).await?;
    tell(&json!({ "event": "ended", "view": visitor.view().await?, "says": visitor.text().await? }));
    visitor.close().await
}

async fn stay(visitor: &Visitor, guest: &Guest) -> Result<(), Trouble> {
    let (start, mut last, mut taken) = (Instant::now(), 0.0, 0);
    while visitor.view().await? == "visit" {
        if let Some(stats) = stats(visitor).await.filter(|stats| stats["at_ms"].as_f64() > Some(last)) {
            last = stats["at_ms"].as_f64().unwrap_or(last);
            tell(&stats);
        }
        if PICTURES.get(taken).is_some_and(|moment| start.elapsed() >= *moment) {
            taken += 1;
            // Without a far picture there is nothing to save yet; the report then lacks it, and the test says so.
            let _ = visitor.far_picture(&guest.out.join(format!("far-{taken}.png"))).await;
            visitor.picture(&guest.out.join(format!("visit-{taken}.png"))).await?;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// What the page measured last, with its own clock.
async fn stats(visitor: &Visitor) -> Option<Value> {
    let text = visitor.client().execute("return document.body?.dataset.stats ?? ''", Vec::new()).await.ok()?;
    let mut stats: Value = serde_json::from_str(text.as_str()?).ok()?;
    stats["event"] = json!("stats");
    Some(stats)
}
