//! Owns: the MQTT topics: which kinds there are, which way each goes, and what link does with it while nobody listens.
//! Never: looks into a body.
//! Called by: link's [`crate::run`], the facility, the test that compares `docs/mqtt.md`.

use std::fmt;

/// Most bytes of a body, either way. The same bound as the bus's and the broker's.
pub const MAX_BODY: usize = parloir_bus::MAX_DOCUMENT;

/// Which way a kind goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Facility to box.
    Down,
    /// Box to facility.
    Up,
}

/// What happens to a body that comes while the arbiter is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The broker retains the last one; link delivers it after each `Attach`.
    Retained,
    /// Link holds it for the next `Attach`: it must not be lost.
    Held,
    /// It is dropped: it answers an arbiter that has gone.
    Passing,
}

/// One kind of body: the last part of its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// As in the topic and in `Courier1`.
    pub name: &'static str,
    /// Which way.
    pub way: Way,
    /// What outlives the moment.
    pub keep: Keep,
    /// What the body is, in words.
    pub body: &'static str,
    /// What it is for, in words.
    pub says: &'static str,
}

const fn kind(name: &'static str, way: Way, keep: Keep, body: &'static str, says: &'static str) -> Kind {
    Kind { name, way, keep, body, says }
}

/// Link's own word about itself.
pub const STATUS: Kind =
    kind("status", Way::Up, Keep::Retained, "JSON", "whether link is connected; the broker says false by its will");
/// Signalling that link's adapters make.
pub const SIGNAL: Kind = kind("signal", Way::Up, Keep::Passing, "JSON", "signalling from the box");

/// The facility's request for a page of a diagnostics export.
pub const DIAGNOSE: Kind = kind("diagnose", Way::Down, Keep::Passing, "JSON", "asks for a page of what the box says of itself");
/// The answer.
pub const EXPORT: Kind = kind("export", Way::Up, Keep::Passing, "sealed JWS", "a page of a diagnostics export");

/// Every kind. `docs/mqtt.md` holds this as a table.
pub const KINDS: &[Kind] = &[
    kind("authority", Way::Down, Keep::Retained, "JWS JSON, k of n", "who may sign what at the site"),
    kind("policy", Way::Down, Keep::Retained, "JWS", "the rules of the site"),
    kind("door-record", Way::Down, Keep::Retained, "256 bytes", "whose door tickets gate believes"),
    kind("entitlement", Way::Down, Keep::Retained, "sealed JWS", "what the box's person may do"),
    kind("person", Way::Down, Keep::Passing, "sealed JWS", "answers one sign-in: what that person may do"),
    kind("agenda", Way::Down, Keep::Retained, "sealed JWS", "who lives in the cell, by tags, and when a visit is booked"),
    kind("grant", Way::Down, Keep::Passing, "sealed JWS", "answers one ask"),
    kind("deny", Way::Down, Keep::Held, "JWS, sealed when about a person", "no to an ask, or the end of a grant"),
    kind("ring", Way::Down, Keep::Passing, "sealed JWS", "a contact calls the box's person"),
    kind("again", Way::Down, Keep::Passing, "JSON", "the visitor's page starts anew with another certificate: ask again"),
    kind("beat", Way::Down, Keep::Passing, "JWS", "renews a live grant"),
    kind("time", Way::Down, Keep::Passing, "JWS", "wall time, answers one time-request"),
    kind("statement", Way::Down, Keep::Passing, "JWS", "the visitor's word about the visit"),
    kind("signal", Way::Down, Keep::Passing, "JSON", "signalling from the far side"),
    DIAGNOSE,
    kind("ask", Way::Up, Keep::Passing, "sealed JWS", "a person asks for a visit"),
    kind("sign-in", Way::Up, Keep::Passing, "sealed JWS", "the code of who wants to be known at a shared TV"),
    kind("reveal", Way::Up, Keep::Passing, "JSON", "the box's half of a private visit's short code"),
    kind("ring", Way::Up, Keep::Passing, "JSON", "what became of a ring: it rings, was answered, is over"),
    kind("receipt", Way::Up, Keep::Passing, "sealed JSON", "both sides' word after a visit"),
    kind("time-request", Way::Up, Keep::Passing, "JSON", "asks for a time statement"),
    SIGNAL,
    kind("ended", Way::Up, Keep::Passing, "JSON", "the visit is over for the box"),
    EXPORT,
    STATUS,
];

/// The kind of this name on this way.
#[must_use]
pub fn find(way: Way, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.way == way && k.name == name)
}

/// The topics of one box: `parloir/v1/{site}/{device}/…`, both 32 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
}

impl Topics {
    /// Of the box `device` at `site`.
    #[must_use]
    pub fn new(site: &[u8; 16], device: &[u8; 16]) -> Self {
        Self { prefix: format!("parloir/v1/{}/{}", Hex(site), Hex(device)) }
    }
    /// The topic of one kind.
    #[must_use]
    pub fn of(&self, kind: &Kind) -> String {
        format!("{}/{}/{}", self.prefix, word(kind.way), kind.name)
    }
    /// The filter for everything that goes one way.
    #[must_use]
    pub fn all(&self, way: Way) -> String {
        format!("{}/{}/#", self.prefix, word(way))
    }
    /// The kind that a topic of this box and way names; `None` for any other topic.
    #[must_use]
    pub fn kind(&self, way: Way, topic: &[u8]) -> Option<&'static Kind> {
        let rest = topic.strip_prefix(self.prefix.as_bytes())?.strip_prefix(b"/")?;
        let name = rest.strip_prefix(word(way).as_bytes())?.strip_prefix(b"/")?;
        find(way, std::str::from_utf8(name).ok()?)
    }
}

/// The table of `docs/mqtt.md`.
#[must_use]
pub fn table() -> String {
    let mut text = String::from("| Topic ends in | From | Body | Kept | What it says |\n| --- | --- | --- | --- | --- |\n");
    for k in KINDS {
        let from = match k.way {
            Way::Down => "facility",
            Way::Up => "box",
        };
        let kept = match k.keep {
            Keep::Retained => "retained by the broker",
            Keep::Held => "held by link for the arbiter",
            Keep::Passing => "no",
        };
        text.push_str(&format!("| `{}/{}` | {from} | {} | {kept} | {} |\n", word(k.way), k.name, k.body, k.says));
    }
    text
}

const fn word(way: Way) -> &'static str {
    match way {
        Way::Down => "down",
        Way::Up => "up",
    }
}

/// 16 bytes as 32 lower-case hex digits.
pub struct Hex<'a>(pub &'a [u8; 16]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{KINDS, Keep, Topics, Way, find, table};

    #[test]
    fn a_topic_comes_back_as_its_kind_and_no_other_box_does() {
        let (a, b) = (Topics::new(&[1; 16], &[0xab; 16]), Topics::new(&[1; 16], &[0xac; 16]));
        for k in KINDS {
            let topic = a.of(k);
            assert_eq!(a.kind(k.way, topic.as_bytes()), Some(k));
            assert_eq!(b.kind(k.way, topic.as_bytes()), None, "{topic}");
        }
        assert_eq!(
            a.of(find(Way::Down, "grant").unwrap()),
            format!("parloir/v1/{}/{}/down/grant", "01".repeat(16), "ab".repeat(16))
        );
        let prefix = format!("parloir/v1/{}/{}", "01".repeat(16), "ab".repeat(16));
        for wrong in ["/up/grant", "/down/grant/x", "/down/", "/down/ask", "down/grant", "/down/\u{e9}"] {
            assert_eq!(a.kind(Way::Down, format!("{prefix}{wrong}").as_bytes()), None, "{wrong}");
        }
        assert_eq!(a.kind(Way::Down, b"\xff"), None);
    }

    #[test]
    fn what_must_outlive_an_absent_arbiter_is_kept() {
        let kept = |keep| KINDS.iter().filter(|k| k.way == Way::Down && k.keep == keep).map(|k| k.name).collect::<Vec<_>>();
        assert_eq!(kept(Keep::Retained), ["authority", "policy", "door-record", "entitlement", "agenda"]);
        assert_eq!(kept(Keep::Held), ["deny"]);
    }

    /// The broker's list names each kind: by `up/#` a box that was taken over could leave retained messages under any number of topics.
    #[test]
    fn the_brokers_list_names_each_kind_that_goes_up_and_no_other() {
        let acl = include_str!("../../../systemd/broker/acl.in");
        let listed: Vec<&str> = acl.lines().filter_map(|l| l.strip_prefix("pattern write parloir/v1/{site}/%u/up/")).collect();
        assert_eq!(listed, KINDS.iter().filter(|k| k.way == Way::Up).map(|k| k.name).collect::<Vec<_>>());
        assert_eq!(acl.matches("%u/up/").count(), listed.len());
    }

    #[test]
    fn the_page_holds_this_table() {
        let page = include_str!("../../../docs/mqtt.md");
        assert!(page.contains(&table()), "docs/mqtt.md: put this table in:\n{}", table());
    }
}
