//! Owns: a bundle's way from the server to the disk: resumed where it was cut, no faster than allowed, still while the box is wanted.
//! Never: more bytes than were promised, more than a part of it in memory, a whole file whose hash is another.
//! Called by: run, as a task that may be dropped at any point.

use crate::client::{ANSWER, Client, Trouble};
use crate::code::{Code, Refused};
use crate::ddi::Offer;
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE};
use sha2::{Digest as _, Sha256};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Written bytes after which the disk is waited for: what the kernel still holds counts as our memory.
const FLUSH: u64 = 4 << 20;
/// Read at once when a part is hashed again.
const BLOCK: usize = 256 * 1024;
/// First wait after trouble; it doubles.
const AGAIN: Duration = Duration::from_secs(2);
/// Longest wait.
const LATEST: Duration = Duration::from_secs(120);
/// Times that a wrong hash or size is tried again from the start.
const ANEW: u32 = 1;
/// Times that a bundle that is not there is asked for.
const MISSING: u32 = 3;
/// Free bytes that the disk keeps.
const RESERVE: u64 = 8 << 20;

/// Where to, and how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What.
    pub offer: Offer,
    /// While it grows.
    pub part: PathBuf,
    /// When it is whole.
    pub whole: PathBuf,
    /// Bytes in a second.
    pub rate: u64,
}

/// How one attempt ended.
enum End {
    /// The network or the server; the part stays.
    Cut(Trouble),
    /// The part is wrong, and goes.
    Wrong(Code, String),
    /// Our own disk.
    Disk(io::Error),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Fetches the bundle, however long it takes. `quiet` is false while the box is wanted for something else.
///
/// # Errors
/// What no further attempt will mend.
pub async fn fetch(client: &Client, plan: &Plan, mut quiet: watch::Receiver<bool>) -> Result<(), Refused> {
    if whole_is_here(plan).await {
        return Ok(());
    }
    // Another bundle; or this one, which RAUC has made root's to verify it, so that nobody changes it meanwhile.
    let _ = tokio::fs::remove_file(&plan.whole).await;
    room(plan).map_err(|what| Refused::new(Code::UpdateNoRoom, what))?;
    let (mut wait, mut anew, mut missing) = (AGAIN, 0, 0);
    loop {
        let (before, mut wish) = (length(&plan.part).await, None);
        let end = match attempt(client, plan, &mut quiet).await {
            Ok(()) => return Ok(()),
            Err(end) => end,
        };
        match end {
            End::Wrong(code, what) => {
                let _ = tokio::fs::remove_file(&plan.part).await;
                anew += 1;
                if anew > ANEW {
                    return Err(Refused::new(code, what));
                }
                tracing::warn!(code = code.name(), "{what}: once more from the start");
            }
            End::Disk(error) => return Err(Refused::new(Code::UpdateNoRoom, format!("{}: {error}", plan.part.display()))),
            End::Cut(trouble) => {
                missing += u32::from(trouble.is_gone());
                wish = trouble.retry_after();
                if missing >= MISSING {
                    return Err(Refused::new(Code::UpdateOffer, format!("{}: {trouble}", plan.offer.path)));
                }
                tracing::info!("download of {}: {trouble}: again", plan.offer.version);
            }
        }
        // What got on may get on again soon.
        let got_on = length(&plan.part).await > before;
        sleep(wish.unwrap_or(if got_on { AGAIN } else { wait })).await;
        wait = if got_on || wish.is_some() { AGAIN } else { (wait * 2).min(LATEST) };
    }
}

/// The bundle as it was fetched before a restart of ours.
async fn whole_is_here(plan: &Plan) -> bool {
    if length(&plan.whole).await != plan.offer.size {
        return false;
    }
    let mut hash = Sha256::new();
    hash_file(&plan.whole, &mut hash).await.is_ok() && hex(&hash.finalize()) == plan.offer.sha256
}

/// Whether the file system has room for what is still to come.
fn room(plan: &Plan) -> Result<(), String> {
    let have = std::fs::metadata(&plan.part).map_or(0, |meta| meta.len());
    let directory = plan.part.parent().unwrap_or(Path::new("."));
    let Ok(stat) = nix::sys::statvfs::statvfs(directory) else { return Ok(()) };
    let free = stat.blocks_available() * stat.fragment_size();
    let wanted = plan.offer.size.saturating_sub(have) + RESERVE;
    if free >= wanted { Ok(()) } else { Err(format!("{wanted} bytes are wanted, {free} are free")) }
}

async fn length(path: &Path) -> u64 {
    tokio::fs::metadata(path).await.map_or(0, |meta| meta.len())
}

async fn hash_file(path: &Path, hash: &mut Sha256) -> io::Result<u64> {
    let mut file = File::open(path).await?;
    let (mut block, mut total) = (vec![0; BLOCK], 0);
    loop {
        let n = file.read(&mut block).await?;
        if n == 0 {
            return Ok(total);
        }
        hash.update(&block[..n]);
        total += n as u64;
        // The loop that feeds the watchdog runs between two blocks.
        tokio::task::yield_now().await;
    }
}

async fn attempt(client: &Client, plan: &Plan, quiet: &mut watch::Receiver<bool>) -> Result<(), End> {
    until_quiet(quiet).await;
    let mut hash = Sha256::new();
    let mut have = length(&plan.part).await;
    if have > plan.offer.size {
        return Err(End::Wrong(Code::UpdateSize, format!("{have} bytes came, {} were promised", plan.offer.size)));
    }
    if have > 0 {
        have = hash_file(&plan.part, &mut hash).await?;
    }
    if have < plan.offer.size {
        let answer = client.file(&plan.offer.path, have).await.map_err(|trouble| match trouble {
            // The server's file is shorter than what is here already.
            Trouble::Status { status: 416, .. } => End::Wrong(Code::UpdateSize, "the server has no bytes after ours".to_owned()),
            other => End::Cut(other),
        })?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let continues = answer.status() == StatusCode::PARTIAL_CONTENT;
        if continues && !header(CONTENT_RANGE).is_some_and(|range| range.starts_with(&format!("bytes {have}-"))) {
            return Err(End::Wrong(Code::UpdateSize, "the server sent another range than was asked for".to_owned()));
        }
        if !continues && have > 0 {
            tracing::info!("the server does not continue a download: from the start");
            (hash, have) = (Sha256::new(), 0);
        }
        if let Some(length) = header(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok())
            && have + length != plan.offer.size
        {
            let what = format!("{} bytes are there, {} were promised", have + length, plan.offer.size);
            return Err(End::Wrong(Code::UpdateSize, what));
        }
        write_down(answer.into_body(), plan, have, &mut hash, quiet).await?;
    }
    let found = hex(&hash.finalize());
    if found != plan.offer.sha256 {
        return Err(End::Wrong(Code::UpdateHash, format!("SHA-256 {found} came, {} was promised", plan.offer.sha256)));
    }
    // RAUC reads it as a member of this user's group, whatever the umask.
    tokio::fs::set_permissions(&plan.part, Permissions::from_mode(0o640)).await?;
    tokio::fs::rename(&plan.part, &plan.whole).await?;
    Ok(())
}

async fn write_down(
    mut body: hyper::body::Incoming,
    plan: &Plan,
    mut have: u64,
    hash: &mut Sha256,
    quiet: &mut watch::Receiver<bool>,
) -> Result<(), End> {
    let mut file =
        OpenOptions::new().create(true).write(true).append(have > 0).truncate(have == 0).mode(0o600).open(&plan.part).await?;
    let (mut pace, mut unflushed) = (Pace::new(plan.rate), 0);
    while have < plan.offer.size {
        let part = next_part(&mut body).await.map_err(End::Cut);
        let bytes = match part {
            Ok(bytes) => bytes,
            Err(end) => {
                file.sync_all().await?;
                return Err(end);
            }
        };
        have += bytes.len() as u64;
        if have > plan.offer.size {
            return Err(End::Wrong(Code::UpdateSize, format!("more bytes come than the {} that were promised", plan.offer.size)));
        }
        hash.update(&bytes);
        file.write_all(&bytes).await?;
        unflushed += bytes.len() as u64;
        if unflushed >= FLUSH {
            file.sync_data().await?;
            unflushed = 0;
        }
        pace.after(bytes.len() as u64).await;
        if !*quiet.borrow() {
            file.sync_data().await?;
            // The connection may be gone by then: the part stays, and the next attempt continues it.
            until_quiet(quiet).await;
            pace = Pace::new(plan.rate);
        }
    }
    file.sync_all().await?;
    Ok(())
}

async fn next_part(body: &mut hyper::body::Incoming) -> Result<Bytes, Trouble> {
    loop {
        let frame = timeout(ANSWER, body.frame()).await.map_err(|_| Trouble::Lost("the download stands still".to_owned()))?;
        let frame = frame.ok_or_else(|| Trouble::Lost("the download ended early".to_owned()))?;
        let frame = frame.map_err(|e| Trouble::Lost(e.to_string()))?;
        if let Ok(bytes) = frame.into_data() {
            return Ok(bytes);
        }
    }
}

async fn until_quiet(quiet: &mut watch::Receiver<bool>) {
    // Without a sender nobody can say that the box is wanted.
    let _ = quiet.wait_for(|quiet| *quiet).await;
}

/// Keeps to a rate.
struct Pace {
    rate: u64,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new(rate: u64) -> Self {
        Self { rate: rate.max(1), since: Instant::now(), bytes: 0 }
    }
    async fn after(&mut self, bytes: u64) {
        self.bytes += bytes;
        let due = Duration::from_millis(self.bytes.saturating_mul(1000) / self.rate);
        let ahead = due.saturating_sub(self.since.elapsed());
        if ahead > Duration::from_millis(20) {
            sleep(ahead).await;
        }
    }
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
