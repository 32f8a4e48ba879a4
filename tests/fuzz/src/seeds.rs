//! Owns: the first inputs of every target: real documents and messages, and words that their parsers look for.
//! Never: chance: the same seeds every time, but for sealed bodies.
//! Called by: `src/bin/seeds.rs`.

use crate::documents::{KINDS, WORLD, good};
use crate::sdp::{ANSWER, CANDIDATE};
use parloir_frames::{Message, Notice, Stream};
use parloir_issuer::example::{CALL, DEVICE, id};
use parloir_issuer::sign;
use parloir_link::message::write_signal;
use parloir_link::topic::{KINDS as TOPICS, Topics};
use parloir_pass::Typ;
use parloir_seal::sealed;
use parloir_wire::gate::{FromGate, GateRefusal, ShutReason, ToGate};
use parloir_wire::keys::{Key, KeyPress, Motion, to_event};
use parloir_wire::lease::{Fact, Plan, Progress, Relay, ToCall, Trouble};
use parloir_wire::signal::Signal;
use parloir_wire::start::Start;
use serde_json::Value;
use std::collections::BTreeSet;

/// The seeds of a target.
#[must_use]
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "documents" => documents(),
        "sealed" => sealed_bodies(),
        "gate" => gate(),
        "messages" => messages(),
        "sdp" => sdp(),
        "mqtt" => mqtt(),
        "desk" => desk(),
        "frames" => frames(),
        "peers" => peers(),
        "updates" => updates(),
        _ => Vec::new(),
    }
}

/// Words that the fuzzer may put anywhere, for all targets: members of documents, lines of SDP.
#[must_use]
pub fn words() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    (0..KINDS.len()).for_each(|kind| members(&good(kind), &mut words));
    words.extend(ANSWER.split(['\r', '\n', ' ', ':', ';']).filter(|w| w.len() > 2).map(str::to_owned));
    words.extend(CANDIDATE.split(' ').filter(|w| w.len() > 2).map(str::to_owned));
    for word in ["generation", "kind", "offer", "answer", "candidate", "bye", "again", "mline", "sdp", "online", "type", "join"] {
        words.insert(word.to_owned());
    }
    words
}

fn members(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(inner) => inner.iter().for_each(|(name, value)| {
            words.insert(name.clone());
            members(value, words);
        }),
        Value::Array(items) => items.iter().for_each(|v| members(v, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The first byte is the branch of the target.
fn updates() -> Vec<Vec<u8>> {
    let hash = "ab".repeat(32);
    let base = format!(
        r#"{{"id":"8","deployment":{{"download":"forced","update":"attempt","chunks":[{{"part":"os","version":"1.2.3","artifacts":[{{"filename":"b",
        "hashes":{{"sha256":"{hash}"}},"size":9,"_links":{{"download":{{"href":"https://h/t/b"}}}}}}]}}]}},"actionHistory":{{"messages":["[report 3]"]}}}}"#
    );
    let poll = r#"{"config":{"polling":{"sleep":"00:05:00"}},"_links":{"deploymentBase":{"href":"https://h:1/t/controller/v1/d/deploymentBase/8?c=1"},
        "cancelAction":{"href":"/c"},"configData":{"href":"/d"}}}"#;
    let queue = r#"{"v":1,"next":2,"entries":[{"report":1,"action":"8","of":"deployment","execution":"closed","finished":"success","details":["x"],"tried":true}]}"#;
    let before = r#"{"v":1,"action":"8","sha256":"","version":"1.0.0","from":{"slot":"system-a"},"phase":"trial","health":{"camera":true}}"#;
    let texts: [(u8, &str); 8] = [
        (0, poll),
        (1, &base),
        (2, r#"{"id":"9","cancelAction":{"stopId":"8"}}"#),
        (3, "signature verification failed: self-signed certificate"),
        (3, "Version mismatch: Expected at least '1.2.3' but bundle manifest has '1.0.0'"),
        (4, "1.2.3\n1.0.0\n1.1.0-rc.1"),
        (5, queue),
        (5, before),
    ];
    texts.into_iter().map(|(branch, text)| [&[branch], text.as_bytes()].concat()).collect()
}

/// A network of 24 bits at 10.9.1.2, a file before it and one after.
fn peers() -> Vec<Vec<u8>> {
    let head = |nets: u8, env: &str| {
        let length = u16::try_from(env.len()).unwrap_or(0).to_le_bytes();
        [&[8, 2, 1, 9, 10, nets, length[0], length[1]], env.as_bytes()].concat()
    };
    let good = "PARLOIR_DEVICE=00\nPARLOIR_BROKER=10.77.0.1:8883\n";
    let lists =
        ["", "udp 10.77.0.1 3478\ntcp 10.77.0.1 5349\n", "udp relay.example 3478\nudp 2001:db8::1 3478\n", "udp 10.9.1.1 1\n"];
    let mut seeds: Vec<_> = lists.iter().map(|list| with(&head(1, good), list.as_bytes())).collect();
    seeds.push(with(&head(0, good), lists[1].as_bytes()));
    seeds.push(head(1, "# no broker\nPARLOIR_BROKER=[2001:db8::1]:8883\n"));
    seeds.push(with(
        &head(1, "PARLOIR_BROKER=broker.example:8883\n"),
        b"udp 127.0.0.1 3478\nudp 224.0.0.1 0\nudp 255.255.255.255 1\n",
    ));
    seeds
}

fn with(head: &[u8], body: &[u8]) -> Vec<u8> {
    [head, body].concat()
}

fn documents() -> Vec<Vec<u8>> {
    let e = &WORLD.example;
    let mut seeds = Vec::new();
    for kind in 0..KINDS.len() {
        let number = u8::try_from(kind).unwrap_or(0);
        seeds.push(with(&[1, number], &serde_json::to_vec(&good(kind)).expect("JSON")));
        seeds.push(vec![2, number, 1, 1, 0, 7, 11, 3]);
        seeds.push(vec![2, number, 0]);
    }
    let compact = [
        (0, sign(&e.policy(), &e.policy)),
        (1, sign(&e.person(), &e.entitlement)),
        (3, sign(&e.grant(), &e.grant)),
        (4, sign(&e.time(), &e.grant)),
        (5, sign(&e.ring(), &e.grant)),
        (6, sign(&e.statement(), &e.visitor)),
        (7, sign(&e.beat(), &e.grant)),
        (8, sign(&e.deny(), &e.deny)),
        (10, e.authority_json()),
    ];
    seeds.extend(compact.into_iter().map(|(kind, text)| with(&[0, kind], text.expect("signed").as_bytes())));
    seeds.extend((0..8).map(|roots| vec![3, 0, 0, 0, roots]));
    seeds
}

fn sealed_bodies() -> Vec<Vec<u8>> {
    let to = WORLD.example.box_seal().expect("a key").public();
    let mut seeds = vec![vec![1, 0, 0, 0, 0], vec![1, 5, 9, 0, 255, 1, 2, 3]];
    for (number, typ) in (0..).zip(Typ::ALL) {
        seeds.push(with(&[0, number], &sealed::seal(typ, &DEVICE, &to, b"plain").expect("sealed")));
        seeds.push(with(&[1, number, 7, 0, 3], b"some plain text"));
    }
    seeds
}

fn gate() -> Vec<Vec<u8>> {
    let e = &WORLD.example;
    let press = KeyPress { serial: 7, key: Key::Ok, motion: Motion::Down, at_ns: 9 };
    let (lease, nonce) = (CALL.0, id(3).0);
    let down = [
        ToGate::Heartbeat { count: 1 },
        ToGate::DoorRecord { record: Box::new(e.door_record()) },
        ToGate::Prepare { lease, serial: 7 },
        ToGate::Open { ticket: Box::new(e.ticket().0) },
        ToGate::Relaunch { lease },
        ToGate::Close { lease },
    ];
    let up = [
        FromGate::Heartbeat { count: 1 },
        FromGate::Hello { device: DEVICE.0, revision: 3 },
        FromGate::Key(press),
        FromGate::Prepared { lease, nonce },
        FromGate::Opened { lease, media: 3, at_ns: 1 },
        FromGate::Shut { lease, reason: ShutReason::Asked, at_ns: 1, took_ms: 2 },
        FromGate::CallGone { lease },
        FromGate::Relaunched { lease },
        FromGate::Refused { lease, why: GateRefusal::Busy },
        FromGate::RecordKept { revision: 3 },
    ];
    let mut seeds: Vec<Vec<u8>> = down.iter().map(|m| with(&[0], &m.encode())).collect();
    seeds.extend(up.iter().map(|m| with(&[1], &m.encode())));
    for signed in [0, 1] {
        seeds.push([&[2], e.ticket().0.as_slice(), &[signed]].concat());
    }
    for signers in [0, 3, 5, 7] {
        seeds.push([&[3], e.door_record().as_slice(), &[signers]].concat());
    }
    seeds.push(with(&[4], &e.roots().expect("roots").to_bytes()));
    seeds.push(with(&[5], &e.door_record()));
    seeds
}

fn plan() -> Plan {
    let relay = Relay { url: "turn:relay.example:3478".into(), user: "1796135700:61".into(), password: "example".into() };
    Plan {
        lease: CALL.0,
        generation: 1,
        far: vec![[0xfa; 32]],
        relays: vec![relay],
        direct: false,
        width: 1280,
        height: 720,
        fps: 30,
        max_kbps: 2500,
        start_kbps: 1200,
        min_kbps: 100,
        audio_kbps: 32,
    }
}

fn all_signals() -> Vec<Signal> {
    vec![
        Signal::Offer { generation: 1, sdp: ANSWER.into() },
        Signal::Answer { generation: 1, sdp: ANSWER.into() },
        Signal::Candidate { generation: 1, mline: 0, candidate: CANDIDATE.into() },
        Signal::Candidate { generation: 1, mline: 1, candidate: String::new() },
        Signal::Bye { generation: 2 },
        Signal::Again { generation: 1 },
    ]
}

fn messages() -> Vec<Vec<u8>> {
    let to_call = [
        ToCall::Certificate,
        ToCall::FrameEnd,
        ToCall::SignalEnd,
        ToCall::Plan(Box::new(plan())),
        ToCall::Let { camera: true, microphone: false },
        ToCall::Hold { held: true },
    ];
    let facts = [
        Fact::Ready { at_ns: 1 },
        Fact::FarVerified { fingerprint: [0xfa; 32] },
        Fact::FirstPicture { at_ns: 1, width: 1280, height: 720, codec: "H264".into() },
        Fact::FirstSound { at_ns: 1 },
        Fact::Decoding { on: true, at_ns: 1 },
        Fact::Progress(Progress::default()),
        Fact::Lets { camera: true, microphone: true },
        Fact::FarLeft,
        Fact::FarAgain,
        Fact::Trouble { what: Trouble::Signalling, detail: "why".into() },
    ];
    let starts = [Start::Spawned { pid: 9 }, Start::Begin { lease: CALL.0 }, Start::Door { media: 1 }];
    let press = KeyPress { serial: 7, key: Key::Digit3, motion: Motion::Repeat, at_ns: 9 };
    let mut seeds: Vec<Vec<u8>> = all_signals().iter().map(|s| with(&[0], &s.encode())).collect();
    seeds.extend(to_call.iter().map(|m| with(&[1], &m.encode())));
    seeds.extend(facts.iter().map(|m| with(&[2], &m.encode())));
    seeds.push(with(&[3], &press.encode()));
    seeds.extend(starts.iter().map(|m| with(&[4], &m.encode())));
    seeds.push(with(&[5], &to_event(Key::Ok, Motion::Down)));
    seeds.push(with(&[6, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 4, 0], b"v=0\r\n"));
    seeds.push(with(&[7, 1], &[0xfa; 32]));
    seeds.push(vec![8, 1, 3, 0, b'w', b'h', b'y']);
    seeds
}

fn sdp() -> Vec<Vec<u8>> {
    let named = CANDIDATE.replace("192.0.2.7", "looked-up.example.local");
    let mut seeds = vec![with(&[0], ANSWER.as_bytes()), vec![1, 0, 0, 0, 0], with(&[3; 37], ANSWER.as_bytes())];
    for text in [CANDIDATE, &named, &CANDIDATE.replace("192.0.2.7", "2001:db8::1"), &CANDIDATE.replace("udp", "tcp"), ""] {
        seeds.push(with(&[2], text.as_bytes()));
        seeds.push(with(&[0], format!("{ANSWER}a={text}\r\n").as_bytes()));
    }
    for how in 0..6 {
        seeds.push(vec![1, 2, 9, how, 12, 0, b'a', b'=', b's', b'e', b'n', b'd', b'o', b'n', b'l', b'y', 0, 0, 20, how, 4, 0, 0]);
    }
    seeds
}

fn mqtt() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = all_signals().iter().map(|s| with(&[0], &write_signal(&CALL.0, s))).collect();
    seeds.push(with(&[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 4, 0], b"v=0\r\n"));
    let ours = Topics::new(&[0x51; 16], &[0xb0; 16]);
    seeds.extend(TOPICS.iter().map(|k| with(&[2], ours.of(k).as_bytes())));
    seeds.push(with(&[3], "b0".repeat(16).as_bytes()));
    // Offer, answer, candidates, again, a new offer, bye.
    seeds.push(vec![4, 0, 0, 1, 1, 1, 1, 0, 2, 1, 1, 2, 1, 1, 4, 1, 0, 0, 2, 1, 1, 1, 1, 202, 2, 1, 3, 2]);
    seeds
}

fn desk() -> Vec<Vec<u8>> {
    let call = CALL.to_string();
    let join = format!(
        r#"{{"type":"join","call":"{call}","certificate":"{}","statement_key":"{}"}}"#,
        "fa".repeat(32),
        WORLD.example.visitor.public()
    );
    let signal = String::from_utf8(write_signal(&CALL.0, &Signal::Bye { generation: 1 })).expect("JSON");
    let said = |text: &str| {
        with(&[7, 0, u8::try_from(text.len() % 256).unwrap_or(0), u8::try_from(text.len() / 256).unwrap_or(0)], text.as_bytes())
    };
    let opened = vec![5, 0];
    let ready = said(r#"{"type":"ready"}"#);
    let asked = vec![1, 0, 0, 0];
    let ticks = vec![4, 0, 255, 255, 0, 1];
    vec![
        [opened.clone(), ready.clone(), asked.clone(), said(&join), ticks.clone()].concat(),
        [opened.clone(), ready.clone(), asked.clone(), said(&format!(r#"{{"type":"decline","call":"{call}"}}"#))].concat(),
        [opened.clone(), ready.clone(), said(r#"{"type":"call"}"#), ticks.clone(), said(r#"{"type":"cancel"}"#)].concat(),
        [opened.clone(), ready.clone(), asked.clone(), said(&join), said(&format!(r#"{{"type":"signal","body":{signal}}}"#))]
            .concat(),
        [asked.clone(), ticks.clone(), vec![6, 0], ticks].concat(),
        vec![2, 0, 0, 0, 0, 0],
        [opened, ready, asked, said(&join), vec![2, 0, 0, 0, 0, 0]].concat(),
    ]
}

fn frames() -> Vec<Vec<u8>> {
    let ring = Message::Ring { ring: 1, stream: Stream::Far, slot_bytes: 4096, slots: 4 };
    let notice = |slot, seq| Message::Frame(Notice { ring: 1, stream: Stream::Far, slot, width: 32, height: 18, seq, pts_ns: 5 });
    let back = Message::Return { ring: 1, stream: Stream::Far, slot: 0 };
    let mut seeds: Vec<Vec<u8>> = [ring, notice(0, 0), back].iter().map(|m| with(&[0], &m.encode())).collect();
    // A ring with a memfd of its size (1024 * 16 bytes), then frames, kept and given back.
    let mut sequence = with(&[1, 2, 0, 4], &ring.encode());
    for (slot, how) in [(0, 0), (1, 8), (1, 0), (2, 0)] {
        sequence.extend(with(&[how, 0, 0], &notice(slot, 1).encode()));
    }
    seeds.push(sequence);
    seeds.push(with(&[1, 3, 0, 4], &ring.encode()));
    seeds
}
