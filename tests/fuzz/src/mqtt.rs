//! Owns: the target of what link reads: topics, signalling JSON, and the order in which an adapter takes it.
//! Never: a broker.
//! Called by: the fuzzer.
//!
//! Holds: an accepted body is written again to one that reads the same; a topic of ours is exactly one that we write; the far side reaches call only
//! with the newest generation, one answer and a bounded number of candidates, and never with an offer.

use crate::bytes::Bytes;
use crate::messages::{fits, some_signal};
use parloir_link::adapter::{Adapter as _, Output};
use parloir_link::direct::{Direct, MAX_CANDIDATES};
use parloir_link::message::{MAX_SIGNAL, read_id, read_signal, write_signal};
use parloir_link::topic::{Hex, Topics, Way};
use parloir_wire::signal::Signal;

const CALL: [u8; 16] = [0xca; 16];

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.u8() % 5 {
        0 => bodies(bytes.0),
        1 => written(bytes),
        2 => topics(bytes.0),
        3 => {
            let text = String::from_utf8_lossy(bytes.0);
            if let Some(id) = read_id(&text) {
                assert_eq!(Hex(&id).to_string(), text);
            }
        }
        _ => adapter(bytes),
    }
}

fn bodies(body: &[u8]) {
    if let Ok((call, signal)) = read_signal(body) {
        assert!(body.len() <= MAX_SIGNAL && fits(&signal));
        let again = write_signal(&call, &signal);
        // A text of our own is never longer than theirs, so what came in can go out.
        assert_eq!(read_signal(&again), Ok((call, signal)));
    }
}

fn written(mut bytes: Bytes<'_>) {
    let signal = some_signal(&mut bytes);
    let body = write_signal(&CALL, &signal);
    let back = read_signal(&body);
    assert_eq!(back.is_ok(), body.len() <= MAX_SIGNAL && fits(&signal));
    assert!(back.is_err() || back == Ok((CALL, signal)));
}

fn topics(topic: &[u8]) {
    let ours = Topics::new(&[0x51; 16], &[0xb0; 16]);
    for way in [Way::Down, Way::Up] {
        if let Some(kind) = ours.kind(way, topic) {
            assert_eq!((ours.of(kind).as_bytes(), kind.way), (topic, way));
        }
    }
}

/// What the far side may have said to call since the newest offer.
#[derive(Default)]
struct Heard {
    offered: Option<u32>,
    answers: u32,
    candidates: u32,
    over: bool,
}

fn adapter(mut bytes: Bytes<'_>) {
    let mut direct = Direct::new(CALL);
    let mut heard = Heard::default();
    for _ in 0..200 {
        if bytes.is_empty() {
            break;
        }
        // Small numbers, so that generations meet.
        let (who, kind, generation) = (bytes.u8(), bytes.u8(), u32::from(bytes.u8() % 4));
        let signal = match kind % 5 {
            0 => Signal::Offer { generation, sdp: String::new() },
            1 => Signal::Answer { generation, sdp: String::new() },
            2 => Signal::Candidate { generation, mline: 0, candidate: String::new() },
            3 if kind < 16 => Signal::Bye { generation },
            _ => Signal::Again { generation },
        };
        for _ in 0..if kind > 200 { 70 } else { 1 } {
            if who & 1 == 0 {
                if direct.from_call(signal.clone()).is_ok() {
                    from_call(&mut heard, &signal);
                }
            } else if let Ok(Some(output)) = direct.from_far(&write_signal(&CALL, &signal)) {
                from_far(&mut heard, output);
            }
        }
    }
    let open = heard.offered.is_some() && !heard.over;
    assert_eq!(direct.close().is_some(), open, "a bye closes what an offer opened");
}

fn from_call(heard: &mut Heard, signal: &Signal) {
    assert!(!heard.over, "after the bye");
    match signal {
        Signal::Offer { generation, .. } => {
            assert!(heard.offered.is_none_or(|before| *generation > before));
            *heard = Heard { offered: Some(*generation), ..Heard::default() };
        }
        Signal::Candidate { generation, .. } => assert_eq!(heard.offered, Some(*generation)),
        Signal::Bye { .. } => heard.over = true,
        Signal::Answer { .. } | Signal::Again { .. } => panic!("the box offers on this route"),
    }
}

fn from_far(heard: &mut Heard, output: Output) {
    let Output::ToCall(signal) = output else { panic!("the far side spoke to itself") };
    assert!(!heard.over, "after the bye");
    match signal {
        Signal::Offer { .. } => panic!("the far side offered"),
        Signal::Answer { generation, .. } => {
            heard.answers += 1;
            assert!(heard.offered == Some(generation) && heard.answers == 1);
        }
        Signal::Candidate { generation, .. } => {
            heard.candidates += 1;
            assert!(heard.offered == Some(generation) && heard.candidates <= MAX_CANDIDATES);
        }
        Signal::Bye { generation } => {
            assert_eq!(heard.offered, Some(generation));
            heard.over = true;
        }
        Signal::Again { generation } => assert!(heard.offered.is_none_or(|now| generation <= now)),
    }
}
