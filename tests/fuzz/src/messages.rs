//! Owns: the target of the messages between arbiter, gate, link and call that are not gate's own.
//! Never: file descriptors.
//! Called by: the fuzzer.
//!
//! Holds: whatever is accepted is written again as the same bytes and is within its bounds; whatever is within its bounds survives the way.

use crate::bytes::Bytes;
use parloir_wire::keys::{self, KeyPress};
use parloir_wire::lease::{self, Fact, MAX_PARTIES, MAX_RELAYS, Plan, Relay, ToCall, Trouble};
use parloir_wire::signal::{self, MAX_CANDIDATE, MAX_SDP, Signal};
use parloir_wire::start::Start;

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.u8() % 9 {
        0 => {
            if let Ok(message) = Signal::decode(bytes.0) {
                assert!(bytes.0.len() <= signal::MAX);
                assert_eq!(message.encode(), bytes.0);
            }
        }
        1 => {
            if let Ok(message) = ToCall::decode(bytes.0) {
                assert!(bytes.0.len() <= lease::MAX);
                assert_eq!(message.encode(), bytes.0);
            }
        }
        2 => {
            if let Ok(message) = Fact::decode(bytes.0) {
                assert_eq!(message.encode(), bytes.0);
            }
        }
        3 => {
            if let Ok(message) = KeyPress::decode(bytes.0) {
                assert_eq!(message.encode(), bytes.0);
            }
        }
        4 => {
            if let Ok(message) = Start::decode(bytes.0) {
                assert_eq!(message.encode(), bytes.0);
            }
        }
        5 => events(bytes.array()),
        6 => signals(bytes),
        7 => plans(bytes),
        _ => troubles(bytes),
    }
}

fn events(event: [u8; keys::EVENT]) {
    if let Some((key, motion)) = keys::from_event(&event) {
        assert_eq!(keys::from_event(&keys::to_event(key, motion)), Some((key, motion)));
    }
}

/// Any signal, with a text that may be repeated over its bound.
pub(crate) fn some_signal(bytes: &mut Bytes<'_>) -> Signal {
    let (kind, generation, mline, times) = (bytes.u8() % 5, bytes.u32(), bytes.u32(), usize::from(bytes.u8()));
    let text = bytes.text(2000).repeat(times % 24);
    match kind {
        0 => Signal::Offer { generation, sdp: text },
        1 => Signal::Answer { generation, sdp: text },
        2 => Signal::Candidate { generation, mline, candidate: text },
        3 => Signal::Bye { generation },
        _ => Signal::Again { generation },
    }
}

/// Whether the text of a signal is within its bound.
pub(crate) fn fits(signal: &Signal) -> bool {
    match signal {
        Signal::Offer { sdp, .. } | Signal::Answer { sdp, .. } => sdp.len() <= MAX_SDP,
        Signal::Candidate { candidate, .. } => candidate.len() <= MAX_CANDIDATE,
        Signal::Bye { .. } | Signal::Again { .. } => true,
    }
}

fn signals(mut bytes: Bytes<'_>) {
    let signal = some_signal(&mut bytes);
    let back = Signal::decode(&signal.encode());
    assert_eq!(back.is_ok(), fits(&signal));
    assert!(back.is_err() || back == Ok(signal));
}

fn plans(mut bytes: Bytes<'_>) {
    let far: Vec<_> = (0..bytes.u8() % 5).map(|_| bytes.array()).collect();
    let relays: Vec<Relay> =
        (0..bytes.u8() % 6).map(|_| Relay { url: bytes.text(300), user: bytes.text(150), password: bytes.text(150) }).collect();
    let plan = Plan {
        lease: bytes.array(),
        generation: bytes.u32(),
        far,
        relays,
        direct: bytes.u8() & 1 == 1,
        width: bytes.u16(),
        height: bytes.u16(),
        fps: bytes.u8(),
        max_kbps: bytes.u32(),
        start_kbps: bytes.u32(),
        min_kbps: bytes.u32(),
        audio_kbps: bytes.u32(),
    };
    let texts = plan.relays.iter().all(|r| r.url.len() <= 256 && r.user.len() <= 128 && r.password.len() <= 128);
    let counts = (1..=MAX_PARTIES).contains(&plan.far.len()) && plan.relays.len() <= MAX_RELAYS;
    let way_out = plan.direct || !plan.relays.is_empty();
    for relay in &plan.relays {
        let nameless = Relay { url: String::new(), user: String::new(), password: format!("~{}~", relay.password) };
        assert!(!format!("{nameless:?}").contains(&nameless.password), "a password is never printed");
    }
    let message = ToCall::Plan(Box::new(plan));
    let back = ToCall::decode(&message.encode());
    assert_eq!(back.is_ok(), texts && counts && way_out);
    assert!(back.is_err() || back == Ok(message));
}

fn troubles(mut bytes: Bytes<'_>) {
    let what = [Trouble::FarCertificate, Trouble::NotConnected, Trouble::Camera][usize::from(bytes.u8()) % 3];
    let detail = bytes.text(600);
    let back = Fact::decode(&Fact::Trouble { what, detail: detail.clone() }.encode());
    // Cut, never refused: whoever reports trouble must be heard.
    assert!(matches!(back, Ok(Fact::Trouble { what: w, detail: d }) if w == what && detail.starts_with(&d) && d.len() <= 200));
}
