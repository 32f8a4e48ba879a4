//! Owns: the core's plain types and the wire's, one into the other, and a ledger line from a core entry.
//! Never: drops or adds a meaning; each `match` is whole.
//! Called by: run, effects.

use crate::picture::{Picture, VideoRates};
use parloir_core::effect::{Entry, ToCall};
use parloir_core::{CallFact, GateFact, GateRefusal, Hidden, Press, ShutReason, Stroke, Trouble};
use parloir_pass::{Bytes32, DenyTarget, Id};
use parloir_wire::gate::{self, FromGate};
use parloir_wire::keys::{Key, KeyPress, Motion};
use parloir_wire::lease::{self, Fact, Plan, Relay};
use parloir_wire::{CAMERA, MICROPHONE};

/// Opus bit rate, kbit/s.
const AUDIO_KBPS: u32 = 32;

/// A fact from gate as the core knows it; `None` for what is the arbiter's alone.
#[must_use]
pub fn from_gate(message: &FromGate) -> Option<GateFact> {
    Some(match message {
        FromGate::Heartbeat { .. } | FromGate::RecordKept { .. } | FromGate::Hello { .. } => return None,
        FromGate::Key(press) => GateFact::Key(Press { serial: press.serial, stroke: stroke(press) }),
        FromGate::Prepared { lease, nonce } => GateFact::Prepared { lease: Id(*lease), nonce: Id(*nonce) },
        FromGate::Opened { lease, media, .. } => {
            GateFact::Opened { lease: Id(*lease), camera: media & CAMERA != 0, microphone: media & MICROPHONE != 0 }
        }
        FromGate::Shut { lease, reason, took_ms, .. } => {
            GateFact::Shut { lease: Id(*lease), reason: shut_reason(*reason), took_ms: *took_ms }
        }
        FromGate::CallGone { lease } => GateFact::CallGone { lease: Id(*lease) },
        FromGate::Relaunched { lease } => GateFact::Relaunched { lease: Id(*lease) },
        FromGate::Refused { lease, why } => GateFact::Refused { lease: Id(*lease), why: refusal(*why) },
    })
}

fn stroke(press: &KeyPress) -> Stroke {
    match (press.motion, press.key) {
        (Motion::Down, Key::Ok) => Stroke::OkDown,
        (Motion::Down, Key::Back) => Stroke::BackDown,
        (Motion::Down, Key::Up | Key::Right) => Stroke::Step(Hidden(1)),
        (Motion::Down, Key::Down | Key::Left) => Stroke::Step(Hidden(9)),
        (Motion::Down, key) => digit(key).map_or(Stroke::OtherDown, |digit| Stroke::Digit(Hidden(digit))),
        (Motion::Up | Motion::Repeat, key) => digit(key).map_or(Stroke::NotDown, |_| Stroke::DigitUp),
    }
}

fn digit(key: Key) -> Option<u8> {
    const DIGITS: [Key; 10] = [
        Key::Digit0,
        Key::Digit1,
        Key::Digit2,
        Key::Digit3,
        Key::Digit4,
        Key::Digit5,
        Key::Digit6,
        Key::Digit7,
        Key::Digit8,
        Key::Digit9,
    ];
    (0..).zip(DIGITS).find(|(_, of)| *of == key).map(|(digit, _)| digit)
}

const fn shut_reason(reason: gate::ShutReason) -> ShutReason {
    match reason {
        gate::ShutReason::Asked => ShutReason::Asked,
        gate::ShutReason::RunOver => ShutReason::RunOver,
        gate::ShutReason::HeartbeatLost => ShutReason::HeartbeatLost,
        // To a visit both are the same: gate shut the doors by its own rule.
        gate::ShutReason::ArbiterGone | gate::ShutReason::GateStopped => ShutReason::ArbiterGone,
        gate::ShutReason::CallEnded => ShutReason::CallEnded,
        gate::ShutReason::NonceExpired => ShutReason::NonceExpired,
    }
}

const fn refusal(why: gate::GateRefusal) -> GateRefusal {
    match why {
        gate::GateRefusal::NoFreshKey => GateRefusal::NoFreshKey,
        gate::GateRefusal::Busy => GateRefusal::Busy,
        gate::GateRefusal::TicketSignature => GateRefusal::TicketSignature,
        gate::GateRefusal::TicketBinding => GateRefusal::TicketBinding,
        gate::GateRefusal::TicketForm => GateRefusal::TicketForm,
        gate::GateRefusal::NonceExpired => GateRefusal::NonceExpired,
        gate::GateRefusal::NoDoorKey => GateRefusal::NoDoorKey,
        gate::GateRefusal::RecordSignature => GateRefusal::RecordSignature,
        gate::GateRefusal::RecordOld => GateRefusal::RecordOld,
        gate::GateRefusal::NoLease => GateRefusal::NoLease,
        gate::GateRefusal::NoCall => GateRefusal::NoCall,
        gate::GateRefusal::NoDevice => GateRefusal::NoDevice,
        gate::GateRefusal::Malformed => GateRefusal::Malformed,
        gate::GateRefusal::NoState => GateRefusal::NoState,
    }
}

/// A fact from call as the core knows it.
#[must_use]
pub fn from_call(fact: &Fact) -> CallFact {
    const NS_IN_MS: u64 = 1_000_000;
    match fact {
        Fact::Ready { .. } => CallFact::Ready,
        Fact::FarVerified { fingerprint } => CallFact::FarVerified { fingerprint: Bytes32(*fingerprint) },
        Fact::FirstPicture { at_ns, .. } => CallFact::FirstPicture { at_ms: at_ns / NS_IN_MS },
        Fact::FirstSound { at_ns } => CallFact::FirstSound { at_ms: at_ns / NS_IN_MS },
        Fact::Decoding { on, at_ns } => CallFact::Decoding { on: *on, at_ms: at_ns / NS_IN_MS },
        Fact::Progress(p) => CallFact::Progress {
            frames_decoded: p.frames_decoded,
            width: p.width,
            height: p.height,
            target_kbps: p.target_kbps,
            loss_permille: p.loss_permille,
            rtt_ms: p.rtt_ms,
        },
        Fact::Lets { camera, microphone } => CallFact::Lets { camera: *camera, microphone: *microphone },
        Fact::FarLeft => CallFact::FarLeft,
        Fact::FarAgain => CallFact::FarAgain,
        Fact::Trouble { what, .. } => CallFact::Trouble(trouble(*what)),
    }
}

const fn trouble(what: lease::Trouble) -> Trouble {
    match what {
        lease::Trouble::FarCertificate => Trouble::FarCertificate,
        lease::Trouble::NotConnected => Trouble::NotConnected,
        lease::Trouble::Camera => Trouble::Camera,
        lease::Trouble::Microphone => Trouble::Microphone,
        lease::Trouble::Signalling => Trouble::Signalling,
        lease::Trouble::Pipeline => Trouble::Pipeline,
    }
}

/// A message of the core to call, on the wire.
#[must_use]
pub fn to_call(call: &Id, message: &ToCall, picture: Picture) -> lease::ToCall {
    match message {
        ToCall::Let { camera, microphone } => lease::ToCall::Let { camera: *camera, microphone: *microphone },
        ToCall::Hold { held } => lease::ToCall::Hold { held: *held },
        ToCall::Plan { generation, far, relays, direct_candidates, video } => {
            // Without pictures all of it is zero.
            let (picture, rates) = if *video { (picture, picture.rates()) } else { (Picture::NONE, VideoRates::NONE) };
            lease::ToCall::Plan(Box::new(Plan {
                lease: call.0,
                generation: *generation,
                far: far.iter().map(|f| f.0).collect(),
                relays: relays
                    .iter()
                    .map(|r| Relay { url: r.url.clone(), user: r.user.clone(), password: r.password.clone() })
                    .collect(),
                direct: *direct_candidates,
                width: picture.width,
                height: picture.height,
                fps: picture.fps,
                max_kbps: rates.max,
                start_kbps: rates.start,
                min_kbps: rates.min,
                audio_kbps: AUDIO_KBPS,
            }))
        }
    }
}

/// A ledger line: event, call (empty when none), details as `key=value`.
#[must_use]
pub fn ledger_line(entry: &Entry) -> (&'static str, String, String) {
    match entry {
        Entry::Asked { call, person, contact, serial } => {
            ("asked", call.to_string(), format!("person={person} contact={contact} serial={serial}"))
        }
        Entry::Admitted { call, grant } => ("admitted", call.to_string(), format!("grant={grant}")),
        Entry::DoorsOpened { call, camera, microphone } => {
            ("doors-opened", call.to_string(), format!("camera={camera} microphone={microphone}"))
        }
        Entry::DoorsShut { call, took_ms } => ("doors-shut", call.to_string(), format!("took_ms={took_ms}")),
        Entry::Rang { ring, person, contact } => {
            ("rang", String::new(), format!("ring={ring} person={person} contact={contact}"))
        }
        Entry::Answered { ring, call } => ("answered", call.to_string(), format!("ring={ring}")),
        Entry::RingOver { ring, code } => ("ring-over", String::new(), format!("ring={ring} code={}", code.name())),
        Entry::AskedAgain { call, count } => ("asked-again", call.to_string(), format!("count={count}")),
        Entry::Regranted { call, grant, replaced } => {
            ("regranted", call.to_string(), format!("grant={grant} replaced={replaced}"))
        }
        Entry::Relaunched { call, count } => ("relaunched", call.to_string(), format!("count={count}")),
        Entry::Trouble { call, what } => ("trouble", call.to_string(), format!("what={what:?}")),
        Entry::Ended { call, reason, seconds_counted } => {
            ("ended", call.to_string(), format!("reason={} seconds_counted={seconds_counted}", reason.name()))
        }
        Entry::Refused { code, call, person } => {
            let call = if *call == Id::default() { String::new() } else { call.to_string() };
            let whose = if *person == Id::default() { String::new() } else { format!(" person={person}") };
            ("refused", call, format!("code={}{whose}", code.name()))
        }
        Entry::MaintenanceBegan { stage, version } => {
            ("maintenance-began", String::new(), format!("stage={} version={version}", stage.word()))
        }
        Entry::MaintenanceOver { why } => ("maintenance-over", String::new(), format!("why={why}")),
        Entry::Update { word, version } => ("update", String::new(), format!("word={} version={version}", word.name())),
        Entry::SignedIn { person } => ("signed-in", String::new(), format!("person={person}")),
        Entry::SignedOut { person, why } => ("signed-out", String::new(), format!("person={person} why={why}")),
        Entry::Denied(target) => ("denied", String::new(), deny_detail(target)),
    }
}

fn deny_detail(target: &DenyTarget) -> String {
    match target {
        DenyTarget::Ask(id) => format!("ask={id}"),
        DenyTarget::Grant(id) => format!("grant={id}"),
        DenyTarget::Contact(id) => format!("contact={id}"),
        DenyTarget::Person(id) => format!("person={id}"),
        DenyTarget::Device(id) => format!("device={id}"),
        DenyTarget::Ring(id) => format!("ring={id}"),
        DenyTarget::SignIn { nonce, .. } => format!("sign-in={nonce}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_the_boards_picture_and_a_voice_visits_has_none() {
        let message =
            |video| ToCall::Plan { generation: 1, far: Vec::new(), relays: Vec::new(), direct_candidates: false, video };
        let plan = |video, picture: &str| match to_call(&Id([1; 16]), &message(video), picture.parse().unwrap()) {
            lease::ToCall::Plan(plan) => *plan,
            other => panic!("{other:?}"),
        };
        let small = plan(true, "320x180@10");
        assert_eq!((small.width, small.height, small.fps), (320, 180, 10));
        assert_eq!((small.max_kbps, small.start_kbps, small.min_kbps), (200, 160, 50));
        let voice = plan(false, "320x180@10");
        assert_eq!((voice.width, voice.height, voice.fps, voice.max_kbps, voice.audio_kbps), (0, 0, 0, 0, AUDIO_KBPS));
    }
}
