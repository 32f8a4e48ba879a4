//! Owns: what holds for every message of this crate: each kind round-trips, and no bytes at all make a decoder panic or be read
//! as something that is written differently.
//! Never: tests meaning; the peers do.
//! Called by: `cargo test -p parloir-wire`.

use std::collections::BTreeSet;
use std::fmt::Debug;

use parloir_wire::door_record::{self, DoorRecord};
use parloir_wire::gate::{FromGate, GateRefusal, ShutReason, ToGate};
use parloir_wire::keys::{self, Key, KeyPress, Motion};
use parloir_wire::lease::{Fact, Plan, Progress, Relay, ToCall, Trouble};
use parloir_wire::signal::{self, Signal};
use parloir_wire::start::Start;
use parloir_wire::ticket::{self, Kind, Ticket};
use parloir_wire::{CAMERA, MICROPHONE, lease, start};

/// A decoder and then the encoder of what came out: `None` for refused bytes.
type Again = fn(&[u8]) -> Option<Vec<u8>>;

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn again_ticket(bytes: &[u8]) -> Option<Vec<u8>> {
    let (ticket, body, signature) = Ticket::parse(&fixed::<{ ticket::SIZE }>(bytes)?).ok()?;
    assert_eq!(ticket.body(), body, "what is believed is what is signed");
    Some(Ticket::join(&body, &signature).to_vec())
}

fn again_record(bytes: &[u8]) -> Option<Vec<u8>> {
    let (record, body, signatures) = DoorRecord::parse(&fixed::<{ door_record::SIZE }>(bytes)?).ok()?;
    assert_eq!(record.body(), body, "what is believed is what is signed");
    Some(DoorRecord::join(&body, &signatures).to_vec())
}

const DECODERS: [(&str, Again); 9] = [
    ("to gate", |b| ToGate::decode(b).ok().map(|m| m.encode().to_vec())),
    ("from gate", |b| FromGate::decode(b).ok().map(|m| m.encode().to_vec())),
    ("start", |b| Start::decode(b).ok().map(|m| m.encode().to_vec())),
    ("to call", |b| ToCall::decode(b).ok().map(|m| m.encode())),
    ("fact", |b| Fact::decode(b).ok().map(|m| m.encode())),
    ("signal", |b| Signal::decode(b).ok().map(|m| m.encode())),
    ("key", |b| KeyPress::decode(b).ok().map(|m| m.encode().to_vec())),
    ("ticket", again_ticket),
    ("door record", again_record),
];

fn decoder(name: &str) -> Again {
    DECODERS.iter().find(|(n, _)| *n == name).expect("decoder").1
}

const PRESS: KeyPress = KeyPress { serial: 9, key: Key::Ok, motion: Motion::Down, at_ns: 5 };

fn to_gate() -> Vec<ToGate> {
    vec![
        ToGate::Heartbeat { count: 1 },
        ToGate::DoorRecord { record: Box::new([3; door_record::SIZE]) },
        ToGate::Prepare { lease: [1; 16], serial: 2 },
        ToGate::Open { ticket: Box::new([4; ticket::SIZE]) },
        ToGate::Relaunch { lease: [1; 16] },
        ToGate::Close { lease: [1; 16] },
    ]
}

fn from_gate() -> Vec<FromGate> {
    let mut all = vec![
        FromGate::Heartbeat { count: 1 },
        FromGate::Hello { device: [1; 16], revision: 3 },
        FromGate::Key(PRESS),
        FromGate::Prepared { lease: [1; 16], nonce: [2; 16] },
        FromGate::Opened { lease: [1; 16], media: CAMERA | MICROPHONE, at_ns: 7 },
        FromGate::CallGone { lease: [1; 16] },
        FromGate::Relaunched { lease: [1; 16] },
        FromGate::RecordKept { revision: 3 },
    ];
    all.extend(ShutReason::ALL.map(|reason| FromGate::Shut { lease: [1; 16], reason, at_ns: 7, took_ms: 8 }));
    all.extend(GateRefusal::ALL.map(|why| FromGate::Refused { lease: [1; 16], why }));
    all
}

fn starts() -> Vec<Start> {
    vec![Start::Spawned { pid: 1 }, Start::Begin { lease: [1; 16] }, Start::Door { media: CAMERA }]
}

fn plan() -> Plan {
    let relay = Relay { url: "turn:relay.example:3478".into(), user: "u".into(), password: "secret".into() };
    Plan {
        lease: [1; 16],
        generation: 1,
        far: vec![[2; 32], [3; 32]],
        relays: vec![relay],
        direct: true,
        width: 1280,
        height: 720,
        fps: 30,
        max_kbps: 2500,
        start_kbps: 1500,
        min_kbps: 100,
        audio_kbps: 32,
    }
}

fn to_call() -> Vec<ToCall> {
    vec![
        ToCall::Certificate,
        ToCall::FrameEnd,
        ToCall::SignalEnd,
        ToCall::Plan(Box::new(plan())),
        ToCall::Let { camera: true, microphone: false },
        ToCall::Hold { held: true },
    ]
}

fn facts() -> Vec<Fact> {
    let mut all = vec![
        Fact::Ready { at_ns: 1 },
        Fact::FarVerified { fingerprint: [2; 32] },
        Fact::FirstPicture { at_ns: 1, width: 1280, height: 720, codec: "H264".into() },
        Fact::FirstSound { at_ns: 1 },
        Fact::Decoding { on: false, at_ns: 1 },
        Fact::Progress(Progress { at_ns: 1, audio_level: -3000, ..Progress::default() }),
        Fact::Lets { camera: false, microphone: true },
        Fact::FarLeft,
        Fact::FarAgain,
    ];
    let troubles = [
        Trouble::FarCertificate,
        Trouble::NotConnected,
        Trouble::Camera,
        Trouble::Microphone,
        Trouble::Signalling,
        Trouble::Pipeline,
    ];
    all.extend(troubles.map(|what| Fact::Trouble { what, detail: "détail".into() }));
    all
}

fn signals() -> Vec<Signal> {
    vec![
        Signal::Offer { generation: 1, sdp: "v=0\r\n".into() },
        Signal::Answer { generation: 1, sdp: String::new() },
        Signal::Candidate { generation: 1, mline: 0, candidate: "candidate:1 1 UDP 1 192.0.2.1 9 typ host".into() },
        Signal::Bye { generation: 2 },
        Signal::Again { generation: 0 },
    ]
}

fn presses() -> Vec<KeyPress> {
    let motions = [Motion::Up, Motion::Down, Motion::Repeat];
    Key::ALL.iter().flat_map(|key| motions.map(|motion| KeyPress { key: *key, motion, ..PRESS })).collect()
}

fn tickets() -> Vec<Vec<u8>> {
    let ticket = |kind, media| Ticket { kind, media, device: [1; 16], nonce: [2; 16], lease: [3; 16], longest_run_s: 900 };
    let all = [Kind::Nonce, Kind::Always, Kind::Myself].into_iter().flat_map(|k| [1, 2, 3].map(|media| ticket(k, media)));
    all.map(|ticket| Ticket::join(&ticket.body(), &[7; 64]).to_vec()).collect()
}

fn records() -> Vec<Vec<u8>> {
    let body = DoorRecord { site: [1; 16], door_key: [2; 32], revision: 3 }.body();
    let slots = [[None; 3], [Some([1; 64]), None, Some([2; 64])], [Some([1; 64]); 3]];
    slots.iter().map(|signatures| DoorRecord::join(&body, signatures).to_vec()).collect()
}

/// One message of every kind, with the name of its decoder.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    all.extend(to_gate().iter().map(|m| ("to gate", m.encode().to_vec())));
    all.extend(from_gate().iter().map(|m| ("from gate", m.encode().to_vec())));
    all.extend(starts().iter().map(|m| ("start", m.encode().to_vec())));
    all.extend(to_call().iter().map(|m| ("to call", m.encode())));
    all.extend(facts().iter().map(|m| ("fact", m.encode())));
    all.extend(signals().iter().map(|m| ("signal", m.encode())));
    all.extend(presses().iter().map(|m| ("key", m.encode().to_vec())));
    all.extend(tickets().into_iter().map(|m| ("ticket", m)));
    all.extend(records().into_iter().map(|m| ("door record", m)));
    all
}

fn round_trip<M: PartialEq + Debug, B: AsRef<[u8]>, E: Debug>(
    all: &[M],
    encode: impl Fn(&M) -> B,
    decode: impl Fn(&[u8]) -> Result<M, E>,
) {
    let mut seen = BTreeSet::new();
    for message in all {
        let bytes = encode(message);
        assert_eq!(&decode(bytes.as_ref()).expect("own bytes"), message);
        assert!(seen.insert(bytes.as_ref().to_vec()), "two messages are written alike: {message:?}");
    }
}

#[test]
fn every_message_round_trips() {
    round_trip(&to_gate(), ToGate::encode, ToGate::decode);
    round_trip(&from_gate(), FromGate::encode, FromGate::decode);
    round_trip(&starts(), Start::encode, Start::decode);
    round_trip(&to_call(), ToCall::encode, ToCall::decode);
    round_trip(&facts(), Fact::encode, Fact::decode);
    round_trip(&signals(), Signal::encode, Signal::decode);
    round_trip(&presses(), KeyPress::encode, KeyPress::decode);
}

/// The samples hold every kind: which kind bytes a decoder knows is asked of the decoder itself.
#[test]
fn the_samples_hold_every_kind() {
    let kinds =
        |name: &str| -> BTreeSet<u8> { samples().iter().filter(|(n, _)| *n == name).map(|(_, bytes)| bytes[1]).collect() };
    assert_eq!(kinds("to gate"), (1..=6).collect());
    assert_eq!(kinds("from gate"), (1..=10).collect());
    assert_eq!(kinds("start"), (1..=3).collect());
    assert_eq!(kinds("to call"), (1..=6).collect());
    assert_eq!(kinds("fact"), (64..=73).collect());
    assert_eq!(kinds("signal"), (1..=5).collect());
    // And no decoder knows another: its kind byte over the best-fitting body (its own samples', zeros) is refused.
    for (name, known) in ["to gate", "from gate", "start", "to call", "fact", "signal"].map(|name| (name, kinds(name))) {
        let mut bodies: Vec<Vec<u8>> = samples().into_iter().filter(|(n, _)| *n == name).map(|(_, bytes)| bytes).collect();
        bodies.extend(fitting_zeros(name));
        for (kind, mut bytes) in (0..=u8::MAX).flat_map(|kind| bodies.iter().map(move |body| (kind, body.clone()))) {
            bytes[1] = kind;
            assert!(decoder(name)(&bytes).is_none() || known.contains(&kind), "{name}: kind {kind} is read and not tested");
        }
    }
}

/// Zeros of the lengths that a message of this socket can have (all short ones where it is not fixed).
fn fitting_zeros(name: &str) -> Vec<Vec<u8>> {
    let lengths: Vec<usize> = match name {
        "to gate" | "from gate" => vec![parloir_wire::gate::SIZE],
        "start" => vec![start::SIZE],
        _ => (2..200).collect(),
    };
    let zeros = |len| {
        let mut bytes = vec![0; len];
        bytes[0] = 1;
        bytes
    };
    lengths.into_iter().map(zeros).collect()
}

#[test]
fn every_length_is_refused_or_read_back() {
    for (name, bytes) in samples() {
        for len in 0..=bytes.len() + 3 {
            let mut cut = bytes.clone();
            cut.resize(len, 0);
            check(name, &cut);
            if len != bytes.len() && !["fact", "to call", "signal"].contains(&name) {
                assert_eq!(decoder(name)(&cut), None, "{name}: {len} bytes");
            }
        }
    }
}

#[test]
fn every_byte_changed_is_refused_or_read_back() {
    for (name, bytes) in samples() {
        for at in 0..bytes.len() {
            for value in 0..=u8::MAX {
                let mut changed = bytes.clone();
                changed[at] = value;
                check(name, &changed);
            }
        }
    }
}

#[test]
fn unknown_versions_are_refused() {
    for (name, bytes) in samples().into_iter().filter(|(name, _)| *name != "door record") {
        for version in (0..=u8::MAX).filter(|version| *version != 1) {
            let mut changed = bytes.clone();
            changed[0] = version;
            assert_eq!(decoder(name)(&changed), None, "{name}: version {version}");
        }
    }
    for (at, record) in records().into_iter().flat_map(|record| (0..5).map(move |at| (at, record.clone()))) {
        let mut changed = record;
        changed[at] ^= 0x20;
        assert_eq!(again_record(&changed), None, "magic and version");
    }
}

/// Two hundred thousand messages that are nearly good: samples with a few bytes overwritten, cut or grown, and spliced.
#[test]
fn nearly_good_messages_are_refused_or_read_back() {
    let samples = samples();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..200_000 {
        let (name, bytes) = &samples[random.below(samples.len())];
        let mut bytes = bytes.clone();
        match random.below(4) {
            0 => bytes.truncate(random.below(bytes.len() + 1)),
            1 => bytes.extend((0..random.below(40)).map(|_| random.byte())),
            2 => {
                let other = &samples[random.below(samples.len())].1;
                bytes.truncate(random.below(bytes.len() + 1));
                bytes.extend_from_slice(&other[random.below(other.len())..]);
            }
            _ => {}
        }
        for _ in 0..random.below(6) {
            let len = bytes.len();
            if let Some(byte) = bytes.get_mut(random.below(len.max(1))) {
                *byte = [0, 1, 0xff, random.byte()][random.below(4)];
            }
        }
        check(name, &bytes);
    }
}

/// Never panics; what is accepted is written back as the very same bytes, so there is one way to write each message.
fn check(name: &str, bytes: &[u8]) {
    if let Some(again) = decoder(name)(bytes) {
        assert_eq!(again, bytes, "{name}: two ways to write one message");
    }
}

/// xorshift64*: the same numbers each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}

#[test]
fn bounds_are_bounds() {
    let long = |n: usize| "x".repeat(n);
    let offer = |n| Signal::Offer { generation: 1, sdp: long(n) }.encode();
    assert!(Signal::decode(&offer(signal::MAX_SDP)).is_ok());
    assert!(Signal::decode(&offer(signal::MAX_SDP + 1)).is_err());
    let candidate = |n| Signal::Candidate { generation: 1, mline: 0, candidate: long(n) }.encode();
    assert!(Signal::decode(&candidate(signal::MAX_CANDIDATE)).is_ok());
    assert!(Signal::decode(&candidate(signal::MAX_CANDIDATE + 1)).is_err());
    assert!(Signal::decode(&vec![1; signal::MAX + 1]).is_err());

    let with = |change: fn(&mut Plan)| {
        let mut plan = plan();
        change(&mut plan);
        ToCall::decode(&ToCall::Plan(Box::new(plan)).encode()).is_ok()
    };
    assert!(with(|p| p.far = vec![[1; 32]; lease::MAX_PARTIES]));
    assert!(!with(|p| p.far = vec![[1; 32]; lease::MAX_PARTIES + 1]));
    assert!(!with(|p| p.far.clear()));
    assert!(with(|p| p.relays = vec![p.relays[0].clone(); lease::MAX_RELAYS]));
    assert!(!with(|p| p.relays = vec![p.relays[0].clone(); lease::MAX_RELAYS + 1]));
    assert!(with(|p| p.relays.clear()));
    assert!(!with(|p| (p.relays, p.direct) = (vec![], false)), "no relay and not direct leads nowhere");
    assert!(!with(|p| p.far = vec![[1; 32]; 300]), "a count that does not fit its byte");

    // A detail is cut at 200 bytes, between characters.
    let told = Fact::Trouble { what: Trouble::Camera, detail: "é".repeat(150) };
    let Ok(Fact::Trouble { detail, .. }) = Fact::decode(&told.encode()) else { panic!("refused") };
    assert_eq!(detail, "é".repeat(100));
}

#[test]
fn there_are_24_keys_and_each_code_means_one() {
    assert_eq!(Key::ALL.len(), 24);
    let labels: BTreeSet<_> = Key::ALL.iter().map(|key| key.label()).collect();
    assert_eq!(labels.len(), 24);
    for key in Key::ALL {
        assert_eq!(Key::from_evdev(key.evdev()), Some(*key));
        for motion in [Motion::Up, Motion::Down, Motion::Repeat] {
            assert_eq!(keys::from_event(&keys::to_event(*key, motion)), Some((*key, motion)));
        }
    }
    // KEY_SYSRQ, KEY_LEFTCTRL, KEY_LEFTALT, KEY_F1, KEY_POWER, BTN_LEFT
    for code in [0, 99, 29, 56, 59, 116, 0x110, u16::MAX] {
        assert_eq!(Key::from_evdev(code), None);
    }
    let mut event = keys::to_event(Key::Ok, Motion::Down);
    event[keys::EVENT - 8] = 2;
    assert_eq!(keys::from_event(&event), None, "EV_REL is no key");
    let mut event = keys::to_event(Key::Ok, Motion::Down);
    event[keys::EVENT - 1] = 0x80;
    assert_eq!(keys::from_event(&event), None, "a negative value is no motion");
}

/// What the remote of a TV sends over HDMI-CEC, as the kernel's `rc-cec` table makes it into key codes: every one of our keys that CEC
/// has a code for enters, and the keys of a TV that are none of ours do not.
#[test]
fn the_keys_of_a_tv_are_ours() {
    let ours = [
        (352, Key::Ok), // select
        (103, Key::Up),
        (108, Key::Down),
        (105, Key::Left),
        (106, Key::Right),
        (618, Key::Home), // root menu
        (174, Key::Back), // exit
        (28, Key::Ok),    // enter
        (402, Key::ChannelUp),
        (403, Key::ChannelDown),
        (138, Key::Help),
        (115, Key::VolumeUp),
        (114, Key::VolumeDown),
        (113, Key::Mute),
        (398, Key::Red),
        (512, Key::Digit0),
        (521, Key::Digit9),
    ];
    for (code, key) in ours {
        assert_eq!(Key::from_evdev(code), Some(key), "{code}");
    }
    // Power, record, play, the other coloured keys, setup menu.
    for code in [116, 167, 207, 399, 400, 401, 141] {
        assert_eq!(Key::from_evdev(code), None, "{code}");
    }
}

#[test]
fn secrets_are_not_printed() {
    assert!(!format!("{:?}", plan()).contains("secret"));
    let digit = FromGate::Key(KeyPress { key: Key::Digit7, ..PRESS });
    assert_eq!(digit.to_string(), "key serial 9", "a digit is part of a person's code");
    assert!(!FromGate::Prepared { lease: [1; 16], nonce: [0xab; 16] }.to_string().contains("ab"));
    assert!(from_gate().iter().all(|message| !message.to_string().is_empty()));
}
