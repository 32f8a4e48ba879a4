//! Owns: the facility's side of the documents: made with the provisioned keys, as the issuer makes them.
//! Never: runs a broker (link's tests do).
//! Called by: the courier in cell.

use parloir_issuer::{Secret, Site, sign, ticket};
use parloir_pass::{
    Ask, Beat, Bytes32, Class, Deny, DenyTarget, Document, Entitlement, Grant, Id, Media, Parcel, Party, Receipt, Ring, Route,
    Statement, Time, Typ, VERSION,
};
use parloir_seal::{PublicKey, jws, random, sealed};
use parloir_wire::ticket::{Kind, Ticket};
use std::time::SystemTime;

/// The visitor: a certificate's fingerprint and a statement key.
pub struct Visitor {
    pub certificate: Bytes32,
    pub key: Secret,
}

impl Visitor {
    pub fn new() -> Self {
        Self { certificate: Bytes32(random::bytes().unwrap()), key: Secret::generate().unwrap() }
    }

    /// The visitor's page says what it has decoded.
    pub fn says(&self, call: Id, count: u64, decoding: bool, last: bool) -> Vec<u8> {
        let statement = Statement {
            v: VERSION,
            call,
            count,
            decoding,
            decoded_ms: 1000 * count,
            frames: 30 * count,
            width: 1280,
            height: 720,
            first_frame_ms: 150,
            sound_heard: true,
            last,
        };
        sign(&statement, &self.key).unwrap().into_bytes()
    }
}

/// A grant that answers an Ask in every field.
pub fn grant(site: &Site, ask: &Ask, visitor: &Visitor) -> Grant {
    let (slot_s, lease_s) = (600, 660);
    let body = Ticket {
        kind: Kind::Nonce,
        media: parloir_seal::ticket::mask(ask.media),
        device: ask.device.0,
        nonce: ask.gate_nonce.0,
        lease: ask.call.0,
        longest_run_s: lease_s,
    };
    Grant {
        v: VERSION,
        site: ask.site,
        device: ask.device,
        grant: random::id().unwrap(),
        call: ask.call,
        nonce: ask.nonce,
        person: ask.person,
        contact: ask.contact,
        class: Class::Family,
        media: ask.media,
        box_certificate: ask.certificate,
        parties: vec![Party {
            name: "Ana".into(),
            certificate: visitor.certificate,
            statement_key: visitor.key.public(),
            code_nonce: None,
        }],
        route: Route::Direct,
        relays: vec![],
        direct_candidates: true,
        recorded_by: String::new(),
        watched_by: String::new(),
        price: String::new(),
        slot_s,
        lease_s,
        ticket: ticket(&body, &site.door),
    }
}

/// The same for less time.
pub fn shorter(site: &Site, grant: &Grant, seconds: u32) -> Grant {
    let body = Ticket {
        kind: Kind::Nonce,
        media: parloir_seal::ticket::mask(grant.media),
        device: grant.device.0,
        nonce: Ticket::parse(&grant.ticket.0).unwrap().0.nonce,
        lease: grant.call.0,
        longest_run_s: seconds,
    };
    Grant { slot_s: seconds, lease_s: seconds, ticket: ticket(&body, &site.door), ..grant.clone() }
}

/// Signs and seals what is about a person.
pub fn seal<D: Document>(site: &Site, document: &D, key: &Secret) -> Vec<u8> {
    let compact = sign(document, key).unwrap();
    sealed::seal(D::TYP, &site.device, &site.box_seal, compact.as_bytes()).unwrap()
}

pub fn entitlement(site: &Site, person: &Entitlement) -> Vec<u8> {
    seal(site, person, &site.entitlement)
}

pub fn time(site: &Site, nonce: Id, unix_ms: i64) -> Vec<u8> {
    sign(&Time { v: VERSION, device: site.device, nonce, unix_ms }, &site.grant).unwrap().into_bytes()
}

pub fn beat(site: &Site, grant: Id, count: u64) -> Vec<u8> {
    sign(&Beat { v: VERSION, device: site.device, grant, count }, &site.grant).unwrap().into_bytes()
}

/// Ana rings now.
pub fn ring(site: &Site) -> Ring {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let (device, ring) = (site.device, random::id().unwrap());
    let (person, ana) = (site.person.person, &site.person.contacts[0]);
    Ring { v: VERSION, site: site.site, device, ring, person, contact: ana.id, class: ana.class, media: Media::Video, at: now }
}

pub fn deny(site: &Site, target: DenyTarget, code: &str) -> Vec<u8> {
    let deny = Deny { v: VERSION, site: site.site, target, words: String::new(), code: code.to_owned() };
    seal(site, &deny, &site.deny)
}

/// Opens and verifies an Ask.
pub fn open_ask(site: &Site, body: &[u8]) -> Ask {
    let plain = sealed::open(Typ::Ask, &site.device, &site.seal, body).unwrap();
    jws::verify(&plain, &PublicKey::new(&site.box_key).unwrap()).unwrap()
}

/// Opens and verifies a receipt; answers it with the visitor's statement beside it.
pub fn open_receipt(site: &Site, body: &[u8]) -> (Receipt, Option<String>) {
    let plain = sealed::open(Typ::Receipt, &site.device, &site.seal, body).unwrap();
    let parcel: Parcel = serde_json::from_slice(&plain).unwrap();
    let receipt = jws::verify(parcel.receipt.as_bytes(), &PublicKey::new(&site.box_key).unwrap()).unwrap();
    (receipt, parcel.visitor)
}
