//! Owns: the target of the facility's desk: what a box publishes and what a page says over its websocket, in any order.
//! Never: a broker, a websocket.
//! Called by: the fuzzer.
//!
//! Holds: a grant leaves only for a contact whose page joined, and every body that leaves is within what a broker and a page take.

use crate::bytes::Bytes;
use crate::documents::{WORLD, good};
use crate::json::bent;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parloir_facility::desk::{Desk, Input, Now, Output, Settings};
use parloir_facility::page::{MAX, Said};
use parloir_facility::turn::Relays;
use parloir_issuer::example::{DEVICE, Example, NOW, SITE};
use parloir_issuer::{Secret, Site, sign};
use parloir_link::topic::{KINDS, MAX_BODY, Way, find};
use parloir_pass::{Ask, Document, Receipt, Typ};
use parloir_seal::{jws, sealed};

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut now = Now { mono_ms: 1_000_000, unix_ms: NOW * 1000 };
    let mut desk = Desk::new(site(), settings(), now, None).expect("the example's desk");
    let links = desk.links();
    let mut joined = false;
    for _ in 0..12 {
        if bytes.is_empty() {
            break;
        }
        let how = bytes.u8();
        let page = u64::from(bytes.u8() % 3);
        let input = match how % 8 {
            0 => {
                let up: Vec<_> = KINDS.iter().filter(|k| k.way == Way::Up).collect();
                Input::Box { kind: up[usize::from(how >> 3) % up.len()], body: bytes.some(1500).to_vec() }
            }
            1 => from_box("ask", &document(Ask::TYP, 2, &mut bytes)),
            2 => from_box("receipt", &parcel(&mut bytes)),
            3 => from_box(["signal", "ended", "ring", "time-request"][usize::from(how >> 4) % 4], bytes.some(600)),
            4 => {
                now.mono_ms += u64::from(bytes.u16()) * 4;
                now.unix_ms += i64::from(bytes.u16());
                Input::Tick
            }
            5 => Input::Opened { token: links[usize::from(how >> 4) % links.len()].0.clone(), page, tab: page.to_string() },
            6 => Input::Closed { page },
            _ => {
                let text = bytes.text(1200);
                let Ok(said) = Said::read(&text) else { continue };
                assert!(text.len() <= MAX);
                joined |= matches!(said, Said::Join { .. });
                Input::Page { page, said }
            }
        };
        for output in desk.step(now, input) {
            leaves(&output, joined);
        }
    }
}

fn leaves(output: &Output, joined: bool) {
    match output {
        Output::Publish { kind, body } => {
            assert!(body.len() <= MAX_BODY && find(Way::Down, kind.name).is_some());
            assert!(kind.name != "grant" || joined, "a grant for nobody");
        }
        Output::Page { says, .. } => assert!(serde_json::to_string(says).is_ok_and(|text| text.len() <= MAX)),
        Output::Drop { .. } | Output::Event(_) | Output::File { .. } => {}
    }
}

fn from_box(kind: &str, body: &[u8]) -> Input {
    Input::Box { kind: find(Way::Up, kind).expect("a kind that goes up"), body: body.to_vec() }
}

/// A bent document of the box, signed by its key and sealed to the facility, as the real one would be.
fn document(typ: Typ, kind: usize, bytes: &mut Bytes<'_>) -> Vec<u8> {
    let secret = Secret::new(&[10; 32]);
    let json = bent(good(kind), bytes);
    let input = format!("{}.{}", BASE64URL.encode(jws::header(typ, &secret.public())), BASE64URL.encode(json));
    let compact = jws::join(&input, &secret.sign(input.as_bytes()));
    seal(typ, compact.as_bytes())
}

fn parcel(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let secret = Secret::new(&[10; 32]);
    let json = bent(good(9), bytes);
    let input = format!("{}.{}", BASE64URL.encode(jws::header(Receipt::TYP, &secret.public())), BASE64URL.encode(json));
    let receipt = jws::join(&input, &secret.sign(input.as_bytes()));
    let visitor = sign(&WORLD.example.statement(), &WORLD.example.visitor).ok();
    let parcel = serde_json::json!({"receipt": receipt, "visitor": visitor, "earlier": []});
    seal(Typ::Receipt, &bent(parcel, bytes))
}

fn seal(typ: Typ, plain: &[u8]) -> Vec<u8> {
    let to = WORLD.example.facility_seal().expect("a key").public();
    // What is too long to be sealed cannot come; something else that is wrong comes instead.
    sealed::seal(typ, &DEVICE, &to, plain).unwrap_or_default()
}

fn settings() -> Settings {
    let relays = Relays { urls: WORLD.example.policy().relays, secret: b"north".to_vec() };
    Settings { relays, direct_candidates: false, absent_ms: 45_000, tamper: None, tamperable: false }
}

fn site() -> Site {
    let e = Example::default();
    Site {
        site: SITE,
        device: DEVICE,
        authority: e.authority_json().expect("an Authority").into_bytes(),
        policy_jws: sign(&e.policy(), &e.policy).expect("a policy").into_bytes(),
        door_record: e.door_record().to_vec(),
        person: e.person(),
        people: Vec::new(),
        seal: e.facility_seal().expect("a key"),
        roots: e.roots().expect("roots"),
        box_key: e.box_key().public(),
        box_seal: e.box_seal().expect("a key").public(),
        policy: e.policy,
        entitlement: e.entitlement,
        grant: e.grant,
        old_grant: None,
        door: e.door,
        deny: e.deny,
    }
}
