//! Owns: the reading of a plan: limits checked, relays in the form that the ICE agent takes.
//! Never: touches a pipeline, a socket or a clock.
//! Called by: run.

use parloir_wire::lease::{Fingerprint, Plan, Relay};
use std::net::SocketAddr;

/// What the pipeline is to keep to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Grows with each re-call.
    pub generation: u32,
    /// Certificates that the far side may show.
    pub far: Vec<Fingerprint>,
    /// Relays as URIs with percent-encoded credentials.
    pub relays: Vec<RelayUri>,
    /// The relay is the only way out.
    pub relay_only: bool,
    /// A visit without pictures of ours: the plan's picture is 0x0.
    pub voice_only: bool,
    /// Largest picture and its rate.
    pub picture: PictureLimits,
    /// Bit rates.
    pub rates: Rates,
}

/// A relay's URI with its credentials; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayUri {
    uri: String,
    /// Where it is; `None` when it has a name.
    pub address: Option<SocketAddr>,
}

impl RelayUri {
    /// With the credentials: for the ICE agent only.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }
}

impl core::fmt::Debug for RelayUri {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RelayUri({:?})", self.address)
    }
}

/// Largest picture, each way: what is sent, and what the far side is asked to keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLimits {
    /// Pixels, even.
    pub width: u16,
    /// Pixels, even.
    pub height: u16,
    /// Frames in a second.
    pub fps: u8,
}

/// Bit rates, kbit/s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Lower bound of what congestion control may answer.
    pub min: u32,
    /// What it starts with.
    pub start: u32,
    /// Upper bound.
    pub max: u32,
    /// Opus.
    pub audio: u32,
}

impl PictureLimits {
    /// A box whose board asks for so little has no computing power for the best of Opus either; its encoder at full complexity costs more
    /// than these pictures (ADR 18).
    #[must_use]
    pub const fn of_a_weak_box(&self) -> bool {
        self.width as u32 * self.height as u32 * (self.fps as u32) < 320 * 240 * 30
    }
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30 }
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self { min: 300, start: 1200, max: 1500, audio: 32 }
    }
}

/// Why a plan cannot be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Too small, too large, or odd. The floor is that of a board that can do no more (ADR 18), not that of the ladder (Q3).
    #[error("plan: a picture outside 320x180 to 1920x1080 at 10 to 60 frames a second [org.parloir.Error.Plan]")]
    Picture,
    /// Not min <= start <= max, or absurd.
    #[error("plan: bit rates out of order or out of bounds [org.parloir.Error.Plan]")]
    Rates,
    /// A relay URL that is not RFC 7065.
    #[error("plan: a relay that is not turn:host:port[?transport=udp|tcp] [org.parloir.Error.Plan]")]
    Relay,
}

/// Checks a plan.
///
/// # Errors
/// See [`PlanError`].
pub fn read(plan: &Plan) -> Result<Settings, PlanError> {
    let voice_only = (plan.width, plan.height, plan.fps) == (0, 0, 0);
    let (picture, video) = if voice_only {
        (PictureLimits::default(), Rates::default())
    } else {
        let video = Rates { min: plan.min_kbps, start: plan.start_kbps, max: plan.max_kbps, audio: plan.audio_kbps };
        (PictureLimits { width: plan.width, height: plan.height, fps: plan.fps }, video)
    };
    let even = picture.width.is_multiple_of(2) && picture.height.is_multiple_of(2);
    let within = (320..=1920).contains(&picture.width) && (180..=1080).contains(&picture.height);
    if !even || !within || !(10..=60).contains(&picture.fps) {
        return Err(PlanError::Picture);
    }
    let rates = Rates { audio: plan.audio_kbps, ..video };
    let ordered =
        (50..=20_000).contains(&rates.min) && rates.min <= rates.start && rates.start <= rates.max && rates.max <= 20_000;
    if !ordered || !(6..=256).contains(&rates.audio) {
        return Err(PlanError::Rates);
    }
    Ok(Settings {
        generation: plan.generation,
        far: plan.far.clone(),
        relays: plan.relays.iter().map(relay_uri).collect::<Result<_, _>>()?,
        relay_only: !plan.direct,
        voice_only,
        picture,
        rates,
    })
}

/// `turn:host:port?transport=udp` (RFC 7065) and credentials to `turn://user:password@host:port?transport=udp`.
fn relay_uri(relay: &Relay) -> Result<RelayUri, PlanError> {
    let (scheme, rest) = relay.url.split_once(':').ok_or(PlanError::Relay)?;
    let (address, query) = rest.split_once('?').map_or((rest, None), |(a, q)| (a, Some(q)));
    let transport = match (scheme, query) {
        ("turn", None | Some("transport=udp")) => "udp",
        ("turn" | "turns", Some("transport=tcp")) | ("turns", None) => "tcp",
        _ => return Err(PlanError::Relay),
    };
    let (host, port) = address.rsplit_once(':').ok_or(PlanError::Relay)?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_fits = match bare {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-'),
    };
    if !host_fits || port.parse::<u16>().is_err() {
        return Err(PlanError::Relay);
    }
    let (user, password) = (percent(&relay.user), percent(&relay.password));
    let uri = format!("{scheme}://{user}:{password}@{host}:{port}?transport={transport}");
    Ok(RelayUri { uri, address: address.parse().ok() })
}

/// Percent-encoding of everything but RFC 3986's unreserved characters.
fn percent(text: &str) -> String {
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            lease: [1; 16],
            generation: 1,
            far: vec![[2; 32]],
            relays: vec![],
            direct: true,
            width: 1280,
            height: 720,
            fps: 30,
            max_kbps: 1500,
            start_kbps: 1200,
            min_kbps: 300,
            audio_kbps: 32,
        }
    }

    fn with_relay(url: &str) -> Plan {
        let relay = Relay { url: url.into(), user: "1700:a/b".into(), password: "p@ss+=".into() };
        Plan { relays: vec![relay], direct: false, ..plan() }
    }

    #[test]
    fn a_relay_keeps_its_credentials_whatever_they_contain() {
        let read = read(&with_relay("turn:127.0.0.1:3478?transport=udp")).unwrap();
        assert_eq!(read.relays[0].uri(), "turn://1700%3Aa%2Fb:p%40ss%2B%3D@127.0.0.1:3478?transport=udp");
        assert!(read.relay_only);
        assert!(!format!("{read:?}").contains("ss"), "a password is never printed");
    }

    #[test]
    fn relays_that_are_not_rfc_7065_are_refused() {
        for bad in [
            "",
            "turn",
            "stun:h:1",
            "turn:h",
            "turn::1",
            "turn:h:x",
            "turn:u@h:1",
            "turn:h/x:1",
            "turn:h:1?x",
            "turn:[h]:1",
            "turn:h:70000",
        ] {
            assert_eq!(read(&with_relay(bad)), Err(PlanError::Relay), "{bad}");
        }
        for good in [
            "turn:relay.example:3478",
            "turn:[::1]:3478",
            "turn:10.0.0.1:3478?transport=tcp",
            "turns:relay.example:5349?transport=tcp",
        ] {
            assert!(read(&with_relay(good)).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_plan_without_pictures_is_a_voice_visit() {
        let voice = Plan { width: 0, height: 0, fps: 0, max_kbps: 0, start_kbps: 0, min_kbps: 0, ..plan() };
        assert!(read(&voice).unwrap().voice_only && !read(&plan()).unwrap().voice_only);
        assert_eq!(read(&Plan { fps: 30, ..voice }), Err(PlanError::Picture));
    }

    #[test]
    fn limits_out_of_bounds_are_refused() {
        for bad in [
            Plan { width: 1281, ..plan() },
            Plan { width: 160, ..plan() },
            Plan { height: 2160, ..plan() },
            Plan { fps: 5, ..plan() },
        ] {
            assert_eq!(read(&bad), Err(PlanError::Picture));
        }
        for bad in [
            Plan { min_kbps: 1300, ..plan() },
            Plan { start_kbps: 1600, ..plan() },
            Plan { max_kbps: 30_000, ..plan() },
            Plan { min_kbps: 0, ..plan() },
            Plan { audio_kbps: 0, ..plan() },
        ] {
            assert_eq!(read(&bad), Err(PlanError::Rates));
        }
    }
}
