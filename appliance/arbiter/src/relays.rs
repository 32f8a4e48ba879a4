//! Owns: the list of the relays that the policy in force names, as a small file that parloir-peers makes the firewall's holes from.
//! Never: judges an address (parloir-peers does); leaves half a list; looks up a name.
//! Called by: run, after each document and at each turn.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Everybody who may enter the directory may read it: where relays are is no secret.
const MODE: u32 = 0o644;

/// The file, and what stands in it.
#[derive(Debug, Default)]
pub struct Relays {
    file: Option<PathBuf>,
    written: Option<Vec<String>>,
    /// Why the last try failed, so that it is said once.
    trouble: Option<io::ErrorKind>,
}

impl Relays {
    /// `None`: nobody reads it (the bench has no firewall).
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { file, ..Self::default() }
    }

    /// Makes the file say these URLs of the policy and no other. What it says already is not written again; what could not be written is
    /// tried again with the next call.
    pub fn keep(&mut self, urls: &[String]) {
        let Some(file) = self.file.as_deref().filter(|_| self.written.as_deref() != Some(urls)) else { return };
        match write(file, &list(urls)) {
            Ok(()) => {
                tracing::info!(relays = urls.len(), "the firewall is told which relays the policy names");
                (self.written, self.trouble) = (Some(urls.to_vec()), None);
            }
            Err(error) if self.trouble == Some(error.kind()) => {}
            Err(error) => {
                let file = file.display();
                tracing::warn!(%file, %error, code = "RelaysUnsaid", "the firewall is not told the relays: no visit can have media");
                self.trouble = Some(error.kind());
            }
        }
    }
}

/// One line for each relay: transport, host, port. A URL that has another form is left out, and the log says so.
fn list(urls: &[String]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for url in urls {
        match line(url) {
            Some(line) if lines.contains(&line) => {}
            Some(line) => lines.push(line),
            None => {
                let hint = "The policy names a relay that is not turn:address:port or turns:address:port; correct the policy.";
                tracing::warn!(url, code = "RelayUrl", hint, "relay left out");
            }
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// `turn:10.0.0.1:3478?transport=udp` (RFC 7065) as call reads it too, so with its port.
fn line(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    let (address, query) = rest.split_once('?').map_or((rest, None), |(a, q)| (a, Some(q)));
    let transport = match (scheme, query) {
        ("turn", None | Some("transport=udp")) => "udp",
        ("turn" | "turns", Some("transport=tcp")) | ("turns", None) => "tcp",
        _ => return None,
    };
    let (host, port) = address.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let fits = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-".contains(&b));
    fits.then(|| format!("{transport} {host} {port}"))
}

/// Written beside it and renamed: a reader sees the old list or the new one.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let fresh = file.with_extension("new");
    fs::write(&fresh, text)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(MODE))?;
    fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use super::{Relays, line, list};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn urls(urls: &[&str]) -> Vec<String> {
        urls.iter().map(|&url| url.to_owned()).collect()
    }

    #[test]
    fn every_form_of_a_url_that_call_takes_becomes_a_line_that_peers_reads() {
        for (url, wanted) in [
            ("turn:10.77.0.1:3478", "udp 10.77.0.1 3478"),
            ("turn:10.77.0.1:3478?transport=udp", "udp 10.77.0.1 3478"),
            ("turn:10.77.0.1:3478?transport=tcp", "tcp 10.77.0.1 3478"),
            ("turns:10.77.0.1:5349", "tcp 10.77.0.1 5349"),
            ("turns:relay.example:5349?transport=tcp", "tcp relay.example 5349"),
            ("turn:[2001:db8::1]:3478", "udp 2001:db8::1 3478"),
        ] {
            assert_eq!(line(url).as_deref(), Some(wanted));
            let read = parloir_peers::files::relays(list(&urls(&[url])).as_bytes()).unwrap();
            assert_eq!(read.len(), 1, "{url}");
            assert_eq!(read[0].to_string(), wanted);
        }
    }

    #[test]
    fn another_form_is_left_out_and_the_rest_stays() {
        for url in [
            "turn:",
            "turn:10.77.0.1",
            "turn:10.77.0.1:",
            "stun:10.77.0.1:3478",
            "turn:10.77.0.1:3478?transport=sctp",
            "turns:10.77.0.1:5349?transport=udp",
            "turn:10.77.0.1:3478?transport=udp&x",
            "turn:10.77.0.1\nudp:1",
            "turn:user@10.77.0.1:3478",
        ] {
            assert_eq!(list(&urls(&[url, "turn:10.77.0.1:1"])), "udp 10.77.0.1 1\n", "{url:?}");
        }
        assert_eq!(list(&urls(&["turn:10.77.0.1:1", "turn:10.77.0.1:1?transport=udp"])), "udp 10.77.0.1 1\n");
    }

    #[test]
    fn the_file_is_whole_readable_and_written_only_when_it_differs() {
        let dir = std::env::temp_dir().join(format!("parloir-relays-{}", std::process::id()));
        let file = dir.join("relays");
        let mut relays = Relays::new(Some(file.clone()));
        // The directory is not there yet: nothing is lost, the next call writes.
        relays.keep(&urls(&["turn:10.77.0.1:1"]));
        fs::create_dir_all(&dir).unwrap();
        relays.keep(&urls(&["turn:10.77.0.1:1"]));
        assert_eq!(fs::read_to_string(&file).unwrap(), "udp 10.77.0.1 1\n");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
        fs::remove_file(&file).unwrap();
        relays.keep(&urls(&["turn:10.77.0.1:1"]));
        assert!(!file.exists(), "the same again is not written");
        relays.keep(&[]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
        fs::remove_dir_all(&dir).unwrap();
        Relays::new(None).keep(&urls(&["turn:10.77.0.1:1"]));
    }
}
