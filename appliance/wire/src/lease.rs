//! Owns: the messages on the arbiter's socketpair with call: plan down, facts up.
//! Never: a certificate's private key in bytes (it goes as an fd), or a word about policy.
//! Called by: arbiter, call.

use crate::Id;
use crate::codec::{Reader, Refused, Writer, refused};

/// Most bytes of one message.
pub const MAX: usize = 8 * 1024;
/// Most far parties of a direct call (design section 6).
pub const MAX_PARTIES: usize = 3;
/// Most relays of a plan.
pub const MAX_RELAYS: usize = 4;
/// The only version.
pub const VERSION: u8 = 1;

/// SHA-256 of a certificate's DER bytes, as in RFC 8122.
pub type Fingerprint = [u8; 32];

/// A TURN server (RFC 8656) and the credentials for this visit.
#[derive(Clone, PartialEq, Eq)]
pub struct Relay {
    /// `turn:host:port?transport=udp` (RFC 7065).
    pub url: String,
    /// User name.
    pub user: String,
    /// Password; never printed.
    pub password: String,
}

impl core::fmt::Debug for Relay {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Relay").field("url", &self.url).finish_non_exhaustive()
    }
}

/// All that call needs to know of a visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The lease; the same as in `Begin`.
    pub lease: Id,
    /// Grows with each re-call of the same visit.
    pub generation: u32,
    /// Certificates of the far parties; a far end with another one is cut before a sample passes.
    pub far: Vec<Fingerprint>,
    /// Relays; empty only with `direct`.
    pub relays: Vec<Relay>,
    /// Bench only: host candidates too. On the box the relay is the only way out.
    pub direct: bool,
    /// Width, pixels.
    pub width: u16,
    /// Height, pixels.
    pub height: u16,
    /// Frames in a second.
    pub fps: u8,
    /// Upper bound of the video bit rate, kbit/s.
    pub max_kbps: u32,
    /// Bit rate that video starts with, kbit/s.
    pub start_kbps: u32,
    /// Lower bound, kbit/s.
    pub min_kbps: u32,
    /// Opus bit rate, kbit/s.
    pub audio_kbps: u32,
}

/// Arbiter to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToCall {
    /// The certificate of this visit. One fd: a sealed memfd with PEM (certificate, then PKCS#8 key, P-256). Sent at once after the start, so that call prepares.
    Certificate,
    /// One fd: call's end of the frame channel. May come again: the new end replaces the old.
    FrameEnd,
    /// One fd: call's end of the signalling channel. May come again.
    SignalEnd,
    /// The grant holds: connect. Far samples flow when the far certificate is the plan's.
    Plan(Box<Plan>),
    /// What the person lets out now. Both start as `true`.
    Let {
        /** Camera. */
        camera: bool,
        /** Microphone. */
        microphone: bool,
    },
    /// Held: nothing leaves the box while `true`.
    Hold {
        /** Held. */
        held: bool,
    },
}

/// What went wrong in call; the arbiter decides what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Trouble {
    /// The far certificate is none of the plan's. Nothing was sent, nothing was shown.
    FarCertificate = 1,
    /// ICE or DTLS failed.
    NotConnected = 2,
    /// The camera's source failed or ended.
    Camera = 3,
    /// The microphone's source failed or ended.
    Microphone = 4,
    /// The far SDP was refused.
    Signalling = 5,
    /// An element of the pipeline failed.
    Pipeline = 6,
}

impl Trouble {
    const ALL: [Self; 6] =
        [Self::FarCertificate, Self::NotConnected, Self::Camera, Self::Microphone, Self::Signalling, Self::Pipeline];
    fn from_wire(byte: u8) -> Result<Self, Refused> {
        Self::ALL.into_iter().find(|t| *t as u8 == byte).ok_or(refused("trouble", "unknown"))
    }
}

/// Figures of the last half second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When, `CLOCK_BOOTTIME` nanoseconds.
    pub at_ns: u64,
    /// Far frames decoded since the visit began.
    pub frames_decoded: u64,
    /// Of the last decoded frame, pixels; 0 before the first.
    pub width: u16,
    /// Of the last decoded frame, pixels; 0 before the first.
    pub height: u16,
    /// Far sound, root mean square over the last half second, in hundredths of dBFS (RFC 6464 sense, so -3000 is -30 dBFS); -12700 is silence.
    pub audio_level: i16,
    /// Own frames sent since the visit began.
    pub frames_sent: u64,
    /// Received bit rate, kbit/s.
    pub in_kbps: u32,
    /// Sent bit rate, kbit/s.
    pub out_kbps: u32,
    /// What congestion control allows now, kbit/s.
    pub target_kbps: u32,
    /// Round trip, milliseconds; 0 unknown.
    pub rtt_ms: u16,
    /// Lost packets of the far video, thousandths.
    pub loss_permille: u16,
}

/// Call to arbiter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// Everything is built that needs no door and no grant.
    Ready {
        /** When. */
        at_ns: u64,
    },
    /// The far certificate is the plan's; samples may flow.
    FarVerified {
        /** Its fingerprint. */
        fingerprint: Fingerprint,
    },
    /// The far side's first picture was decoded.
    FirstPicture {
        /** When. */
        at_ns: u64,
        /** Pixels. */
        width: u16,
        /** Pixels. */
        height: u16,
        /** `H264`, from the negotiated caps. */
        codec: String,
    },
    /// The far side's first sound was decoded.
    FirstSound {
        /** When. */
        at_ns: u64,
    },
    /// Far media began (`true`) or stopped for 2 s (`false`; `at_ns` is when the last frame was decoded).
    Decoding {
        /** Now. */
        on: bool,
        /** When. */
        at_ns: u64,
    },
    /// Every half second.
    Progress(Progress),
    /// What the person lets out is so now.
    Lets {
        /** Camera. */
        camera: bool,
        /** Microphone. */
        microphone: bool,
    },
    /// The far side said `Bye`.
    FarLeft,
    /// The far side said `Again`: it has no connection any more and waits for a new offer. At most one each second.
    FarAgain,
    /// Something failed; `detail` is for the log, at most 200 bytes.
    Trouble {
        /** What. */
        what: Trouble,
        /** For the log. */
        detail: String,
    },
}

fn head(kind: u8) -> Writer {
    let mut w = Writer::new();
    w.u8(VERSION).u8(kind);
    w
}

fn open(bytes: &[u8]) -> Result<(u8, Reader<'_>), Refused> {
    if bytes.len() > MAX {
        return Err(refused("lease message", "longer than 8 KiB"));
    }
    let mut r = Reader::new(bytes);
    if r.u8("lease message version")? != VERSION {
        return Err(refused("lease message version", "unknown"));
    }
    Ok((r.u8("lease message kind")?, r))
}

impl Plan {
    fn write(&self, w: &mut Writer) {
        w.raw(&self.lease).u32(self.generation);
        w.u8(u8::try_from(self.far.len()).unwrap_or(u8::MAX));
        for f in &self.far {
            w.raw(f);
        }
        w.u8(u8::try_from(self.relays.len()).unwrap_or(u8::MAX));
        for relay in &self.relays {
            w.text(&relay.url).text(&relay.user).text(&relay.password);
        }
        w.u8(u8::from(self.direct)).u16(self.width).u16(self.height).u8(self.fps);
        w.u32(self.max_kbps).u32(self.start_kbps).u32(self.min_kbps).u32(self.audio_kbps);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Refused> {
        let lease = r.array("lease")?;
        let generation = r.u32("generation")?;
        let parties = usize::from(r.u8("far parties")?);
        if parties == 0 || parties > MAX_PARTIES {
            return Err(refused("far parties", "not 1 to 3"));
        }
        let far = (0..parties).map(|_| r.array("far fingerprint")).collect::<Result<_, _>>()?;
        let relays = usize::from(r.u8("relays")?);
        if relays > MAX_RELAYS {
            return Err(refused("relays", "more than 4"));
        }
        let relays = (0..relays)
            .map(|_| {
                Ok(Relay {
                    url: r.text(256, "relay url")?,
                    user: r.text(128, "relay user")?,
                    password: r.text(128, "relay password")?,
                })
            })
            .collect::<Result<Vec<_>, Refused>>()?;
        let direct = r.flag("direct")?;
        if relays.is_empty() && !direct {
            return Err(refused("relays", "none, and not direct"));
        }
        Ok(Self {
            lease,
            generation,
            far,
            relays,
            direct,
            width: r.u16("width")?,
            height: r.u16("height")?,
            fps: r.u8("frame rate")?,
            max_kbps: r.u32("bit rate")?,
            start_kbps: r.u32("bit rate")?,
            min_kbps: r.u32("bit rate")?,
            audio_kbps: r.u32("bit rate")?,
        })
    }
}

impl ToCall {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w;
        match self {
            Self::Certificate => w = head(1),
            Self::FrameEnd => w = head(2),
            Self::SignalEnd => w = head(3),
            Self::Plan(plan) => {
                w = head(4);
                plan.write(&mut w);
            }
            Self::Let { camera, microphone } => {
                w = head(5);
                w.u8(u8::from(*camera)).u8(u8::from(*microphone));
            }
            Self::Hold { held } => {
                w = head(6);
                w.u8(u8::from(*held));
            }
        }
        w.finish()
    }
    /// # Errors
    /// Wrong version or kind, a list or text over its bound, bytes after the end.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let (kind, mut r) = open(bytes)?;
        let message = match kind {
            1 => Self::Certificate,
            2 => Self::FrameEnd,
            3 => Self::SignalEnd,
            4 => Self::Plan(Box::new(Plan::read(&mut r)?)),
            5 => Self::Let { camera: r.flag("camera")?, microphone: r.flag("microphone")? },
            6 => Self::Hold { held: r.flag("held")? },
            _ => return Err(refused("lease message kind", "unknown")),
        };
        r.end("lease message")?;
        Ok(message)
    }
}

impl Progress {
    fn write(&self, w: &mut Writer) {
        w.u64(self.at_ns).u64(self.frames_decoded).u16(self.width).u16(self.height);
        w.raw(&self.audio_level.to_le_bytes()).u64(self.frames_sent);
        w.u32(self.in_kbps).u32(self.out_kbps).u32(self.target_kbps).u16(self.rtt_ms).u16(self.loss_permille);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Refused> {
        Ok(Self {
            at_ns: r.u64("time")?,
            frames_decoded: r.u64("frames decoded")?,
            width: r.u16("width")?,
            height: r.u16("height")?,
            audio_level: i16::from_le_bytes(r.array("audio level")?),
            frames_sent: r.u64("frames sent")?,
            in_kbps: r.u32("bit rate in")?,
            out_kbps: r.u32("bit rate out")?,
            target_kbps: r.u32("target bit rate")?,
            rtt_ms: r.u16("round trip")?,
            loss_permille: r.u16("loss")?,
        })
    }
}

impl Fact {
    /// As it travels.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w;
        match self {
            Self::Ready { at_ns } => {
                w = head(64);
                w.u64(*at_ns);
            }
            Self::FarVerified { fingerprint } => {
                w = head(65);
                w.raw(fingerprint);
            }
            Self::FirstPicture { at_ns, width, height, codec } => {
                w = head(66);
                w.u64(*at_ns).u16(*width).u16(*height).text(codec);
            }
            Self::FirstSound { at_ns } => {
                w = head(67);
                w.u64(*at_ns);
            }
            Self::Decoding { on, at_ns } => {
                w = head(68);
                w.u8(u8::from(*on)).u64(*at_ns);
            }
            Self::Progress(progress) => {
                w = head(69);
                progress.write(&mut w);
            }
            Self::Lets { camera, microphone } => {
                w = head(70);
                w.u8(u8::from(*camera)).u8(u8::from(*microphone));
            }
            Self::FarLeft => w = head(71),
            Self::FarAgain => w = head(73),
            Self::Trouble { what, detail } => {
                w = head(72);
                let cut = (0..=200.min(detail.len())).rev().find(|n| detail.is_char_boundary(*n)).unwrap_or(0);
                w.u8(*what as u8).text(&detail[..cut]);
            }
        }
        w.finish()
    }
    /// # Errors
    /// Wrong version or kind, a text over its bound, bytes after the end.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let (kind, mut r) = open(bytes)?;
        let message = match kind {
            64 => Self::Ready { at_ns: r.u64("time")? },
            65 => Self::FarVerified { fingerprint: r.array("fingerprint")? },
            66 => Self::FirstPicture {
                at_ns: r.u64("time")?,
                width: r.u16("width")?,
                height: r.u16("height")?,
                codec: r.text(16, "codec")?,
            },
            67 => Self::FirstSound { at_ns: r.u64("time")? },
            68 => Self::Decoding { on: r.flag("decoding")?, at_ns: r.u64("time")? },
            69 => Self::Progress(Progress::read(&mut r)?),
            70 => Self::Lets { camera: r.flag("camera")?, microphone: r.flag("microphone")? },
            71 => Self::FarLeft,
            73 => Self::FarAgain,
            72 => Self::Trouble { what: Trouble::from_wire(r.u8("trouble")?)?, detail: r.text(200, "detail")? },
            _ => return Err(refused("lease message kind", "unknown")),
        };
        r.end("lease message")?;
        Ok(message)
    }
}
