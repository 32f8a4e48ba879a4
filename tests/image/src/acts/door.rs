//! Owns: a try at gate's own socket: an arbiter that was taken over, with a ticket or without one, and no key pressed.
//! Never: a heartbeat longer than it needs.
//! Called by: acts.

use std::os::fd::AsFd as _;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use parloir_shell::fds;
use parloir_wire::gate::{FromGate, SIZE, ToGate};
use serde_json::{Value, json};

use super::{said, unhex};

const SOCKET: &str = "/run/parloir/gate/socket";
/// How long gate's words are listened to.
const LISTEN: Duration = Duration::from_secs(3);

/// Connects as the arbiter would, asks for a call without a key in several ways, and to open with this ticket (hexadecimal) or with one
/// of zeros. Says what gate answered; heartbeats aside.
pub fn talk(ticket: &str) -> Value {
    let until = Instant::now() + LISTEN;
    // The arbiter that was stopped before may still be on its way out.
    let gate = loop {
        match fds::connect_to(Path::new(SOCKET)) {
            Ok(gate) => break gate,
            Err(why) if Instant::now() > until => return json!({ "wrong": said(&why) }),
            Err(_) => sleep(Duration::from_millis(50)),
        }
    };
    let mut bytes = [0; parloir_wire::ticket::SIZE];
    for (to, from) in bytes.iter_mut().zip(unhex(ticket)) {
        *to = from;
    }
    // The lease that the ticket names, so that nothing but the missing key stands against it.
    let lease = parloir_wire::ticket::Ticket::parse(&bytes).map_or([0x11; 16], |(ticket, _, _)| ticket.lease);
    let Ok((_ours, theirs)) = fds::pair() else { return json!({ "wrong": "no socketpair" }) };
    let mut said_no = Vec::new();
    let mut send = |message: &ToGate, with_end: bool| {
        let ends = [theirs.as_fd()];
        if let Err(why) = fds::send(&gate, &message.encode(), if with_end { &ends } else { &[] }) {
            said_no.push(said(&why));
        }
    };
    send(&ToGate::Heartbeat { count: 1 }, false);
    for serial in [0, 1, 2, u64::MAX] {
        send(&ToGate::Prepare { lease, serial }, true);
    }
    send(&ToGate::Open { ticket: Box::new(bytes) }, false);
    send(&ToGate::Relaunch { lease }, true);
    json!({ "answers": answers(&gate), "not_sent": said_no })
}

fn answers(gate: &std::os::fd::OwnedFd) -> Vec<String> {
    let (until, mut heard) = (Instant::now() + LISTEN, Vec::new());
    while Instant::now() < until {
        match fds::recv(gate, SIZE, 1) {
            Ok(Some(message)) => match FromGate::decode(&message.bytes) {
                Ok(FromGate::Heartbeat { .. } | FromGate::Hello { .. }) => {}
                Ok(FromGate::Refused { why, .. }) => heard.push(format!("Refused {why:?}")),
                Ok(other) => heard.push(format!("{other:?}").split_whitespace().next().unwrap_or_default().to_owned()),
                Err(why) => heard.push(why.to_string()),
            },
            Ok(None) => {
                heard.push("hung up".to_owned());
                break;
            }
            Err(_) => sleep(Duration::from_millis(20)),
        }
    }
    heard
}
