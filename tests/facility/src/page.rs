//! Owns: what passes between the facility and the visitor's page over its websocket, as JSON.
//! Never: what is signed; a statement passes as the JWS that the page made.
//! Called by: [`crate::desk`], [`crate::web`]; `page/visit.js` is the other end.

use parloir_pass::{Bytes32, Class, Id, Media, RelayCredentials};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Most bytes of a message, either way.
pub const MAX: usize = 64 * 1024;

/// What the page says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Said {
    /// The device check passed; it can ring here.
    Ready {},
    /// The visitor pressed Join.
    Join {
        /** From `ringing`. */
        call: Id,
        /** SHA-256 of the page's certificate of this visit. */
        certificate: Bytes32,
        /** Ed25519 public key that its statements will be signed by. */
        statement_key: Bytes32,
        /** In a private class its half of the short code, made when it had the commitment of `ringing`. */
        #[serde(default)]
        code_nonce: Option<Bytes32>,
    },
    /// The visitor pressed Call.
    Call {},
    /// The visitor gave the call up.
    Cancel {},
    /// The visitor pressed Not now.
    Decline {
        /** From `ringing`. */
        call: Id,
    },
    /// Signalling for the box.
    Signal {
        /** As in docs/mqtt.md. */
        body: Value,
    },
    /// A signed statement, and what the bench likes to know beside it.
    Statement {
        /** Compact JWS. */
        jws: String,
        /** Of the last second. */
        stats: Stats,
    },
    /// Something the page refused or could not do, for the log.
    Trouble {
        /** Stable word, such as `box-certificate`. */
        what: String,
        /** For a person who helps. */
        detail: String,
    },
}

/// Most bytes of the words of a `trouble`.
const MAX_TROUBLE: usize = 300;
/// Most bytes of a codec's name.
const MAX_CODEC: usize = 32;

impl Said {
    /// What a page said, if it says it within every bound.
    ///
    /// # Errors
    /// Not JSON of this form, or a member over its bound.
    pub fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX {
            return Err(format!("more than {MAX} bytes"));
        }
        let said: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        said.bounded().map(|()| said)
    }

    fn bounded(&self) -> Result<(), String> {
        let within = |ok: bool, what: &str| if ok { Ok(()) } else { Err(format!("{what}: over its bound")) };
        match self {
            Self::Trouble { what, detail } => {
                let word = !what.is_empty() && what.len() <= 64 && what.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                within(word, "what")?;
                within(detail.len() <= MAX_TROUBLE && !detail.chars().any(char::is_control), "detail")
            }
            Self::Statement { jws, stats } => {
                within(jws.len() <= parloir_pass::receipt::MAX_STATEMENT, "jws")?;
                within(stats.codec.len() <= MAX_CODEC && stats.codec.is_ascii(), "codec")?;
                within((0.0..=1000.0).contains(&stats.fps) && (0.0..=1.0).contains(&stats.audio_level), "stats")
            }
            // A signal is read with every bound by link's own reader.
            Self::Ready {} | Self::Join { .. } | Self::Call {} | Self::Cancel {} | Self::Decline { .. } | Self::Signal { .. } => {
                Ok(())
            }
        }
    }
}

/// What the page measured. Nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stats {
    /// Frames decoded in this visit.
    pub frames_decoded: u64,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames in the last second.
    pub fps: f64,
    /// Such as `H264`.
    pub codec: String,
    /// 0 to 1.
    pub audio_level: f64,
    /// From admission to the first decoded frame; 0 none yet.
    pub first_frame_ms: u64,
    /// Generation of the offer in use.
    pub generation: u32,
    /// Frames that the page sent.
    pub frames_sent: u64,
    /// Height of what the page sends, pixels.
    pub sent_height: u16,
}

/// What the facility says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Says {
    /// Nobody calls now.
    Waiting {
        /** Who will call. */
        person: String,
        /** Whom the link was given to. */
        contact: String,
        /** Where. */
        site: String,
        /** Device check with or without a camera. */
        media: Media,
        /** The visitor may call from here, now. */
        call: bool,
    },
    /// The visitor's own call is on its way to the cell.
    Calling {
        /** Who is called. */
        person: String,
        /** It. */
        ring: Id,
        /** It rings there. */
        rings: bool,
    },
    /// The visitor's own call did not reach the person.
    NotReached {
        /** Who was called. */
        person: String,
        /** Stable code. */
        why: String,
    },
    /// Somebody calls.
    Ringing(Ringing),
    /// The box has its grant; media follows.
    Admitted {
        /** What was rung for. */
        #[serde(flatten)]
        ringing: Ringing,
        /** The only certificate that the box may show. */
        box_certificate: Bytes32,
        /** For RTCPeerConnection. */
        ice_servers: Vec<IceServer>,
        /** No other candidates than the relay's. */
        relay_only: bool,
        /** The certificate that the grant names: a page that has another must join again. */
        certificate: Bytes32,
        /** The highest statement that came under this grant; the next must be higher. */
        count: u64,
        /** The page was in it before: it asks the box for a new offer. */
        resumed: bool,
        /** In a private class the box's half of the short code, if it is here. */
        half: Option<Bytes32>,
    },
    /// The box has its grant and shows its half of the short code.
    Reveal {
        /** Which. */
        call: Id,
        /** It. */
        half: Bytes32,
    },
    /// Signalling from the box.
    Signal {
        /** As in docs/mqtt.md. */
        body: Value,
    },
    /// It did not come to a visit.
    Missed {
        /** Which. */
        call: Id,
        /** Stable code. */
        why: String,
    },
    /// The visit is over for the box.
    Ended {
        /** Which. */
        call: Id,
        /** Stable code. */
        reason: String,
    },
    /// Both sides' word.
    Receipt(Receipt),
    /// The link was opened in another window.
    Elsewhere,
}

/// What a visitor must know before joining.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ringing {
    /// Which.
    pub call: Id,
    /// The visitor's own call that the person answered: the page that made it joins by itself.
    pub ring: Option<Id>,
    /// Who calls.
    pub person: String,
    /// Whom.
    pub contact: String,
    /// With or without pictures.
    pub media: Media,
    /// Kind of visit.
    pub class: Class,
    /// In a private class the box's commitment to its half of the short code.
    pub commitment: Option<Bytes32>,
    /// How long, seconds of the fair clock.
    pub slot_s: u32,
    /// Who records; empty: nobody.
    pub recorded_by: String,
    /// Who watches; empty: nobody.
    pub watched_by: String,
    /// In words; empty: free.
    pub price: String,
}

/// A receipt as the visitor reads it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Which visit.
    pub call: Id,
    /// By the box's fair clock.
    pub seconds_counted: u32,
    /// By the page's own statements.
    pub seconds_seen: Option<u64>,
    /// Between first media and end, not counted.
    pub seconds_lost: u64,
    /// Stable code.
    pub reason: String,
    /// Every signature and count holds.
    pub verified: bool,
    /// Both words are in it.
    pub both_sides: bool,
    /// Id to quote.
    pub receipt: Id,
}

/// `RTCIceServer`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IceServer {
    /// RFC 7065.
    pub urls: String,
    /// Short-lived.
    pub username: String,
    /// Of it.
    pub credential: String,
}

impl From<RelayCredentials> for IceServer {
    fn from(r: RelayCredentials) -> Self {
        Self { urls: r.url, username: r.user, credential: r.password }
    }
}
