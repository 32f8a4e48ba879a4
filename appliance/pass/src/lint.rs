//! Owns: what is wrong with a policy although it parses: promises that this release cannot keep, and figures that will hurt.
//! Never: refuses on the box (that is [`Document::check`]); this is for whoever writes a policy.
//! Called by: parloirctl lint-policy, the issuer before it signs.

use core::fmt;

use crate::{Broken, ClassRule, Document, SitePolicy};

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// true: the policy must not be signed.
    pub error: bool,
    /// Stable code, such as `RecordingWithoutRoute`.
    pub code: &'static str,
    /// Where, such as `classes[family].recording`.
    pub place: String,
    /// What is wrong and what to do, in words.
    pub words: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.error { "error" } else { "warning" };
        write!(f, "{kind}: {}: {} [org.parloir.Error.{}]", self.place, self.words, self.code)
    }
}

/// All findings, errors first.
#[must_use]
pub fn lint(policy: &SitePolicy) -> Vec<Finding> {
    let mut out = Vec::new();
    if let Err(Broken { code, field, rule }) = policy.check() {
        out.push(Finding { error: true, code, place: field.to_owned(), words: rule });
    } else if policy.relays.iter().any(|url| !is_address(url)) {
        out.push(Finding {
            error: true,
            code: "RelayAddress",
            place: "relays".to_owned(),
            words: "a relay that is not turn:ADDRESS:PORT with an IPv4 address: a box asks no name server, and its firewall opens to addresses",
        });
    }
    if policy.relays.is_empty() {
        out.push(Finding {
            error: true,
            code: "NoRelay",
            place: "relays".to_owned(),
            words: "no relay, and the relay is the only way out of a box: name at least one turn: URL",
        });
    }
    if policy.zone_minutes % 15 != 0 {
        out.push(Finding {
            error: false,
            code: "OddZone",
            place: "zone_minutes".to_owned(),
            words: "no time zone of the world has this offset",
        });
    }
    if policy.classes.is_empty() {
        out.push(Finding { error: false, code: "NoClass", place: "classes".to_owned(), words: "no class may call at this site" });
    }
    policy.classes.iter().for_each(|rule| lint_class(rule, &mut out));
    out.sort_by_key(|f| !f.error);
    out
}

/// `turn:192.0.2.10:3478?transport=udp`: host and port of the URL (RFC 7065) are an IPv4 address and a port.
fn is_address(url: &str) -> bool {
    let (_, rest) = url.split_once(':').unwrap_or_default();
    rest.split('?').next().unwrap_or_default().parse::<core::net::SocketAddrV4>().is_ok()
}

fn lint_class(rule: &ClassRule, out: &mut Vec<Finding>) {
    let mut find = |error, code, field: &str, words| {
        out.push(Finding { error, code, place: format!("classes[{}].{field}", rule.class), words });
    };
    if rule.recording {
        find(true, "RecordingWithoutRoute", "recording", "cannot be kept: no route of this release records; set it to false");
    }
    if rule.monitoring {
        find(
            true,
            "MonitoringWithoutRoute",
            "monitoring",
            "cannot be kept: no route of this release lets anybody watch; set it to false",
        );
    }
    if !rule.class.is_supported() {
        find(
            false,
            "ClassNotSupported",
            "class",
            "this release makes no calls of classes court, oversight and helpline; grants of this class are refused",
        );
    }
    if rule.longest_s < 60 {
        find(false, "SlotTooShort", "longest_s", "a visit under a minute is mostly connecting");
    }
    if rule.longest_s > 8 * 3600 {
        find(false, "SlotTooLong", "longest_s", "longer than 8 hours");
    }
    // What is private needs no beats.
    let renewed = !rule.class.is_private();
    if renewed && rule.beat_every_s > 60 {
        find(false, "BeatTooSlow", "beat_every_s", "a lost facility is noticed after more than a minute; 20 is usual");
    }
    if renewed && rule.beat_grace_s < rule.beat_every_s {
        find(false, "GraceTooShort", "beat_grace_s", "shorter than one beat: a single lost message ends a visit");
    }
    if rule.make_good_s > rule.longest_s {
        find(true, "MakeGoodTooLong", "make_good_s", "may at most double the visit; make it no longer than longest_s");
    }
}
