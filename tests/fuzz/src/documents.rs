//! Owns: the target of signed documents. The payload is signed by the right key, so that the parser behind the signature is reached.
//! Never: a forged signature by luck.
//! Called by: the fuzzer.
//!
//! Holds: what is accepted keeps its own bounds, can be signed again and reads the same; the same bytes under another kind, another key, with a
//! changed bit are refused; no accepted text turns direction or controls; nothing accepted is over its size or depth.

use crate::bytes::Bytes;
use crate::json::bent;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use parloir_issuer::example::{CALL, DEVICE, Example, NOW, SITE};
use parloir_issuer::{Secret, sign};
use parloir_pass::rules::{Bounds, grant_within, receipt_holds};
use parloir_pass::{
    Ask, Authority, Beat, Deny, Document, Entitlement, Grant, Receipt, RelayCredentials, Ring, SitePolicy, Statement, Time,
};
use parloir_seal::{Clock, Keyring, PublicKey, jws};
use parloir_wire::lease::{Plan, Relay, ToCall};
use serde_json::Value;
use std::fmt::Debug;
use std::sync::LazyLock;

/// The site that every document here is of.
pub struct World {
    /// Its keys and documents.
    pub example: Example,
    keyring: Keyring,
    authority: Authority,
    box_secret: Secret,
    stranger: Secret,
}

/// The one.
pub static WORLD: LazyLock<World> = LazyLock::new(|| {
    let example = Example::default();
    let roots = example.roots().expect("the example's roots");
    let json = example.authority_json().expect("the example's Authority");
    World {
        keyring: Keyring::open(json.as_bytes(), &roots, &SITE, 0).expect("the example's keyring"),
        authority: example.authority().expect("the example's Authority"),
        box_secret: Secret::new(&[10; 32]),
        stranger: Secret::new(&[99; 32]),
        example,
    }
});

/// Kinds, in the order of the input's second byte.
pub const KINDS: [&str; 11] =
    ["policy", "entitlement", "ask", "grant", "time", "ring", "statement", "beat", "deny", "receipt", "authority"];

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (mode, kind) = (bytes.u8() % 4, usize::from(bytes.u8()) % KINDS.len());
    match mode {
        0 => raw(kind, bytes.0),
        1 => behind(kind, bytes.0),
        2 => behind(kind, &bent(good(kind), &mut bytes)),
        _ => general(&bent(good(KINDS.len() - 1), &mut bytes), bytes.u8()),
    }
}

/// A good payload of a kind.
#[must_use]
pub fn good(kind: usize) -> Value {
    let e = &WORLD.example;
    let value = match KINDS[kind] {
        "policy" => serde_json::to_value(e.policy()),
        "entitlement" => serde_json::to_value(e.person()),
        "ask" => serde_json::to_value(e.ask()),
        "grant" => serde_json::to_value(e.grant()),
        "time" => serde_json::to_value(e.time()),
        "ring" => serde_json::to_value(e.ring()),
        "statement" => serde_json::to_value(e.statement()),
        "beat" => serde_json::to_value(e.beat()),
        "deny" => serde_json::to_value(e.deny()),
        "receipt" => serde_json::to_value(e.receipt().expect("the example's receipt")),
        _ => serde_json::to_value(&WORLD.authority),
    };
    value.expect("a document can be written")
}

/// Any bytes as a compact JWS, to everything that takes one.
fn raw(kind: usize, bytes: &[u8]) {
    let w = &*WORLD;
    let claim = jws::claim(bytes);
    assert!(claim.is_err() || bytes.len() <= jws::MAX);
    let key = w.example.grant.public();
    if let Ok(statement) = jws::statement(bytes, &w.example.visitor.public(), &CALL) {
        assert_eq!(statement.call, CALL);
    }
    match KINDS[kind] {
        "policy" => drop(w.keyring.policy(bytes, Clock::Unix(NOW), 0)),
        "entitlement" => drop(w.keyring.entitlement(bytes, &DEVICE, Clock::Unix(NOW), 0)),
        "grant" => drop(w.keyring.grant(bytes, &DEVICE, Clock::Untrusted)),
        "beat" => drop(w.keyring.beat(bytes, &w.example.grant(), Clock::Unix(NOW))),
        "deny" => drop(w.keyring.deny(bytes, Clock::Untrusted)),
        "ring" => drop(w.keyring.ring(bytes, &DEVICE, Clock::Unix(NOW))),
        "time" => drop(w.keyring.time(bytes, &DEVICE, &w.example.time().nonce)),
        "authority" => drop(Keyring::open(bytes, &w.example.roots().expect("roots"), &SITE, 0)),
        _ => drop(jws::verify::<Receipt>(bytes, &PublicKey::new(&key).expect("a key"))),
    }
}

fn behind(kind: usize, json: &[u8]) {
    let w = &*WORLD;
    let e = &w.example;
    match KINDS[kind] {
        "policy" => drop(judge::<SitePolicy>(json, &e.policy)),
        "entitlement" => {
            if let Some(person) = judge::<Entitlement>(json, &e.entitlement) {
                assert!(person.contacts.len() <= parloir_pass::person::MAX_LIST);
            }
        }
        "ask" => drop(judge::<Ask>(json, &w.box_secret)),
        "grant" => {
            if let Some(grant) = judge::<Grant>(json, &e.grant) {
                grants(&grant);
            }
        }
        "time" => drop(judge::<Time>(json, &e.grant)),
        "ring" => drop(judge::<Ring>(json, &e.grant)),
        "statement" => {
            if let Some(statement) = judge::<Statement>(json, &e.visitor) {
                let _ = receipt_holds(&e.receipt().expect("the example's receipt"), &[statement]);
            }
        }
        "beat" => drop(judge::<Beat>(json, &e.grant)),
        "deny" => drop(judge::<Deny>(json, &e.deny)),
        "receipt" => {
            if let Some(receipt) = judge::<Receipt>(json, &w.box_secret) {
                let _ = receipt_holds(&receipt, &[e.statement()]);
                let _ = receipt_holds(&receipt, &[]);
            }
        }
        _ => drop(judge::<Authority>(json, &e.roots[0])),
    }
}

/// What of a grant goes on to call.
fn plan_of(grant: &Grant) -> ToCall {
    let relay = |r: &RelayCredentials| Relay { url: r.url.clone(), user: r.user.clone(), password: r.password.clone() };
    ToCall::Plan(Box::new(Plan {
        lease: grant.call.0,
        generation: 1,
        far: grant.parties.iter().map(|p| p.certificate.0).collect(),
        relays: grant.relays.iter().map(relay).collect(),
        direct: grant.direct_candidates || grant.relays.is_empty(),
        width: 1280,
        height: 720,
        fps: 30,
        max_kbps: 2500,
        start_kbps: 1200,
        min_kbps: 100,
        audio_kbps: 32,
    }))
}

/// A grant that the rules let through asks for no more than was asked, entitled and allowed.
fn grants(grant: &Grant) {
    let (w, e) = (&*WORLD, &WORLD.example);
    let (ask, entitlement, policy) = (e.ask(), e.person(), e.policy());
    let bounds = Bounds { ask: &ask, entitlement: &entitlement, policy: &policy, authority: &w.authority, bench_direct: false };
    if grant_within(grant, &bounds).is_ok() {
        assert_eq!((grant.nonce, grant.call, grant.device, grant.person), (ask.nonce, ask.call, ask.device, ask.person));
        assert!(grant.slot_s <= policy.classes[0].longest_s && grant.slot_s > 0 && !grant.parties.is_empty());
        assert!(!grant.direct_candidates && grant.recorded_by.is_empty() && grant.watched_by.is_empty());
    }
    let plan = plan_of(grant);
    assert_eq!(ToCall::decode(&plan.encode()).as_ref(), Ok(&plan), "what a grant may say, call can be told");
    let _ = parloir_seal::ticket::check(grant, &ask);
}

/// Signs a payload and reads it as the box would; what is accepted comes back after the properties were checked.
fn judge<D: Document + PartialEq + Debug>(json: &[u8], secret: &Secret) -> Option<D> {
    let public = |secret: &Secret| PublicKey::new(&secret.public()).expect("a key");
    let input = format!("{}.{}", BASE64URL.encode(jws::header(D::TYP, &secret.public())), BASE64URL.encode(json));
    let compact = jws::join(&input, &secret.sign(input.as_bytes()));
    let read = jws::verify::<D>(compact.as_bytes(), &public(secret));
    assert_eq!(read.is_ok(), compact.len() <= jws::MAX && jws::payload::<D>(json).is_ok(), "signed and plain agree");
    let document = read.ok()?;

    document.check().expect("accepted within its bounds");
    let value: Value = serde_json::from_slice(json).expect("accepted JSON is JSON");
    assert!(deep(&value) <= jws::MAX_DEPTH && texts_are_plain(&value), "{value}");
    let again = sign(&document, secret).expect("what was accepted can be signed");
    assert_eq!(jws::verify::<D>(again.as_bytes(), &public(secret)).expect("and read again"), document);

    assert!(jws::verify::<D>(compact.as_bytes(), &public(&WORLD.stranger)).is_err(), "another key");
    let mut other = compact.into_bytes();
    let at = json.len() % other.len();
    other[at] = if other[at] == b'A' { b'B' } else { b'A' };
    assert!(jws::verify::<D>(&other, &public(secret)).is_err(), "a changed byte at {at}");
    Some(document)
}

/// The general serialization of an Authority, signed by the roots whose bits are set.
fn general(json: &[u8], roots: u8) {
    let e = &WORLD.example;
    let signers: Vec<&Secret> = e.roots.iter().enumerate().filter(|(n, _)| roots & 1 << n != 0).map(|(_, r)| r).collect();
    let payload = BASE64URL.encode(json);
    let signatures: Vec<Value> = signers
        .iter()
        .map(|root| {
            let protected = BASE64URL.encode(jws::header(Authority::TYP, &root.public()));
            let signature = BASE64URL.encode(root.sign(format!("{protected}.{payload}").as_bytes()));
            serde_json::json!({"protected": protected, "signature": signature})
        })
        .collect();
    let text = serde_json::json!({"payload": payload, "signatures": signatures}).to_string();
    let read = e.roots().expect("roots").authority(text.as_bytes(), &SITE, 0);
    if let Ok(authority) = read {
        assert!(signers.len() >= 2, "two of three roots sign");
        assert_eq!(authority.site, SITE);
        authority.check().expect("accepted within its bounds");
    }
}

fn deep(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(deep).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(deep).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn texts_are_plain(value: &Value) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match value {
        Value::String(text) => text.chars().all(plain),
        Value::Array(items) => items.iter().all(texts_are_plain),
        Value::Object(members) => members.values().all(texts_are_plain),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}
