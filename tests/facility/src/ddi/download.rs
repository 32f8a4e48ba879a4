//! Owns: a bundle's bytes on their way: hashes, one range of it (RFC 9110, section 14), and what goes wrong with them.
//! Never: who may have them.
//! Called by: orders (measure), web (send).

use super::Tell;
use super::fault::How;
use super::rollout::Artifact;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_core::Stream;
use md5::Digest as _;
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};
use tokio::sync::mpsc;

/// Bytes of a piece.
const PIECE: usize = 16 * 1024;

/// Reads a bundle once, for its size and hashes. Blocks.
///
/// # Errors
/// It cannot be read, or has a name that no link should have.
pub fn measure(path: &Path) -> Result<Artifact, String> {
    let said = |e: io::Error| format!("{}: {e}", path.display());
    let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._+-".contains(&b);
    if file.is_empty() || file.len() > 128 || !file.bytes().all(plain) {
        return Err(format!("{}: a bundle's name has letters, digits and . _ + - only", path.display()));
    }
    let mut from = std::fs::File::open(path).map_err(said)?;
    let (mut md5, mut sha256) = (md5::Md5::new(), sha2::Sha256::new());
    let mut sha1 = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
    let (mut piece, mut size) = (vec![0; 1 << 16], 0);
    loop {
        let read = from.read(&mut piece).map_err(said)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        md5.update(&piece[..read]);
        sha256.update(&piece[..read]);
        sha1.update(&piece[..read]);
    }
    let (md5, sha1, sha256) = (hex(&md5.finalize()), hex(sha1.finish().as_ref()), hex(&sha256.finalize()));
    Ok(Artifact { path: path.to_owned(), file, size, sha1, md5, sha256 })
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, b| {
        let _ = write!(text, "{b:02x}");
        text
    })
}

/// The part of `size` bytes that a `Range` asks for, first and last; `None` for the whole, also where more than one part is asked for.
///
/// # Errors
/// Nothing of it is there (416).
fn range(text: Option<&str>, size: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(spec) = text.and_then(|t| t.strip_prefix("bytes=")).filter(|s| !s.contains(',')) else { return Ok(None) };
    let Some((first, last)) = spec.trim().split_once('-') else { return Ok(None) };
    let number = |text: &str| text.parse::<u64>().ok();
    match (first, last) {
        ("", n) => match number(n) {
            Some(0) => Err(()),
            Some(n) if size > 0 => Ok(Some((size.saturating_sub(n), size - 1))),
            Some(_) => Err(()),
            None => Ok(None),
        },
        (first, last) => {
            let end = if last.is_empty() { Some(u64::MAX) } else { number(last) };
            match (number(first), end) {
                (Some(first), Some(last)) if first <= last && first < size => Ok(Some((first, last.min(size - 1)))),
                (Some(first), Some(last)) if first <= last => Err(()),
                _ => Ok(None),
            }
        }
    }
}

/// The answer to a request for a bundle, and its bytes as they go.
pub async fn send(action: u64, artifact: &Artifact, headers: &HeaderMap, fault: Option<How>, tell: &Tell) -> Response {
    let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let etag = format!("\"{}\"", artifact.sha1);
    if text(header::IF_MATCH).is_some_and(|wanted| wanted != "*" && wanted != etag) {
        return StatusCode::PRECONDITION_FAILED.into_response();
    }
    let same = text(header::IF_RANGE).is_none_or(|wanted| wanted == etag);
    let wanted = text(header::RANGE).filter(|_| same && fault != Some(How::NoRange));
    let Ok(part) = range(wanted, artifact.size) else {
        let there = [(header::CONTENT_RANGE, format!("bytes */{}", artifact.size))];
        return (StatusCode::RANGE_NOT_SATISFIABLE, there).into_response();
    };
    let (first, last) = part.unwrap_or((0, artifact.size.saturating_sub(1)));
    let length = if artifact.size == 0 { 0 } else { last - first + 1 };
    let status = if part.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let event = |event: &str, more: (&str, u64)| json!({"event": event, "action": action, "file": artifact.file, "from": first, "status": status.as_u16(), more.0: more.1});
    let mut file = match open(&artifact.path, first).await {
        Ok(file) => file,
        Err(e) => return (StatusCode::INTERNAL_SERVER_ERROR, format!("{}: {e}", artifact.path.display())).into_response(),
    };
    tell(event("ddi-download", ("length", length)));
    let (to, pieces) = mpsc::channel(1);
    let (tell, mut done) = (std::sync::Arc::clone(tell), event("ddi-downloaded", ("length", length)));
    let ranged = fault != Some(How::NoRange);
    tokio::spawn(async move {
        done["bytes"] = json!(pour(&mut file, first, length, fault.as_ref(), &to).await);
        tell(done);
    });
    let mut answer = (status, Body::from_stream(Pieces(pieces))).into_response();
    let mut set = |name, value: String| HeaderValue::from_str(&value).map(|v| answer.headers_mut().insert(name, v)).is_ok();
    set(header::CONTENT_TYPE, "application/octet-stream".to_owned());
    set(header::CONTENT_LENGTH, length.to_string());
    set(header::CONTENT_DISPOSITION, format!("attachment;filename={}", artifact.file));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned());
    set(header::ETAG, etag);
    if ranged {
        set(header::ACCEPT_RANGES, "bytes".to_owned());
    }
    if part.is_some() {
        set(header::CONTENT_RANGE, format!("bytes {first}-{last}/{}", artifact.size));
    }
    answer
}

async fn open(path: &Path, first: u64) -> io::Result<File> {
    let mut file = File::open(path).await?;
    file.seek(SeekFrom::Start(first)).await?;
    Ok(file)
}

/// Reads and hands over until all is gone, the other end is, or the fault says so. Returns how many bytes were taken.
async fn pour(file: &mut File, first: u64, length: u64, fault: Option<&How>, to: &mpsc::Sender<io::Result<Bytes>>) -> u64 {
    let slow = if let Some(How::Slow(rate)) = fault { Some((*rate).max(1)) } else { None };
    let cut = if let Some(How::Cut(at)) = fault { Some(*at) } else { None };
    let (mut gone, end) = (0, cut.map_or(length, |at| at.min(length)));
    while gone < end {
        let most = slow.map_or(PIECE as u64, |rate| (rate / 10).clamp(1, PIECE as u64)).min(end - gone);
        let mut piece = vec![0; usize::try_from(most).unwrap_or(PIECE)];
        let read = match file.read(&mut piece).await {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            other => other,
        };
        let read = match read {
            Ok(read) => read,
            Err(e) => {
                let _ = to.send(Err(e)).await;
                return gone;
            }
        };
        piece.truncate(read);
        if let Some(How::Flip(at)) = fault
            && let Some(byte) =
                at.checked_sub(first + gone).and_then(|at| piece.get_mut(usize::try_from(at).unwrap_or(usize::MAX)))
        {
            *byte ^= 0xff;
        }
        if to.send(Ok(piece.into())).await.is_err() {
            return gone;
        }
        gone += read as u64;
        if let Some(rate) = slow {
            tokio::time::sleep(Duration::from_micros(read as u64 * 1_000_000 / rate)).await;
        }
    }
    if cut.is_some() && gone < length {
        let _ = to.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
    }
    gone
}

/// Pieces as a body takes them.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn ranges_as_http_has_them() {
        for (text, part) in [
            (None, Ok(None)),
            (Some("bytes=0-"), Ok(Some((0, 99)))),
            (Some("bytes=40-"), Ok(Some((40, 99)))),
            (Some("bytes=40-49"), Ok(Some((40, 49)))),
            (Some("bytes=40-400"), Ok(Some((40, 99)))),
            (Some("bytes=-10"), Ok(Some((90, 99)))),
            (Some("bytes=-1000"), Ok(Some((0, 99)))),
            (Some("bytes=100-"), Err(())),
            (Some("bytes=-0"), Err(())),
            (Some("bytes=5-4"), Ok(None)),
            (Some("bytes=a-"), Ok(None)),
            (Some("bytes=0-1,4-5"), Ok(None)),
            (Some("lines=0-"), Ok(None)),
        ] {
            assert_eq!(range(text, 100), part, "{text:?}");
        }
        assert_eq!(range(Some("bytes=0-"), 0), Err(()));
    }
}
