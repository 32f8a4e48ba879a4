//! Owns: one worked example of every document, by fixed keys, so that the published examples and the tests speak of the same visit.
//! Never: keys of a real site: these are known to everybody.
//! Called by: parloirctl schema, tests of pass, seal, core, arbiter, facility.

use parloir_pass::export::{Fact, LedgerPage, LedgerRow, Machines, Occurrence, Revisions, Told};
use parloir_pass::{
    Agenda, Ask, Authority, AuthorityKey, Beat, Booking, Bytes32, Class, ClassRule, Contact, Deny, DenyTarget, Entitlement,
    Export, Gap, Grant, Id, Media, Occupant, Party, Receipt, RelayCredentials, Ring, Role, Route, SignIn, SitePolicy, Slot,
    Statement, Ticket128, Time, VERSION, Window,
};
use parloir_seal::{BoxKey, Refused, Roots, UnsealKey};
use parloir_wire::door_record::DoorRecord;
use parloir_wire::ticket::{Kind, Ticket};

use crate::{Secret, sign};

/// 2026-12-01 14:00:00 UTC, when the example visit starts; Unix seconds.
pub const NOW: i64 = 1_796_133_600;

const RELAY: &str = "turn:192.0.2.10:3478?transport=udp";
const CERTIFICATE: Bytes32 = Bytes32([0xb0; 32]);

/// A site with one box, one person, one visitor.
#[derive(Debug)]
pub struct Example {
    /// Root secrets; two of three sign.
    pub roots: [Secret; 3],
    /// Signs SitePolicy.
    pub policy: Secret,
    /// Signs Entitlement.
    pub entitlement: Secret,
    /// Signs Grant, Beat, Time.
    pub grant: Secret,
    /// Signs door tickets.
    pub door: Secret,
    /// Signs Deny.
    pub deny: Secret,
    /// Signs Statement.
    pub visitor: Secret,
}

/// A repeated byte as an id.
#[must_use]
pub const fn id(byte: u8) -> Id {
    Id([byte; 16])
}

/// The site.
pub const SITE: Id = id(0x51);
/// The box.
pub const DEVICE: Id = id(0xb0);
/// The call.
pub const CALL: Id = id(0xca);
/// The person.
pub const PERSON: Id = id(0x90);
/// The contact.
pub const ANA: Id = id(0xa0);

impl Default for Example {
    fn default() -> Self {
        let secret = |byte| Secret::new(&[byte; 32]);
        Self {
            roots: [secret(1), secret(2), secret(3)],
            policy: secret(4),
            entitlement: secret(5),
            grant: secret(6),
            door: secret(7),
            deny: secret(8),
            visitor: secret(9),
        }
    }
}

impl Example {
    /// The box's ask-and-receipt key.
    #[must_use]
    pub fn box_key(&self) -> BoxKey {
        BoxKey::new(&[10; 32])
    }

    /// What opens for the box.
    ///
    /// # Errors
    /// None for this key.
    pub fn box_seal(&self) -> Result<UnsealKey, Refused> {
        UnsealKey::new(&[11; 32])
    }

    /// What opens for the facility.
    ///
    /// # Errors
    /// None for this key.
    pub fn facility_seal(&self) -> Result<UnsealKey, Refused> {
        UnsealKey::new(&[12; 32])
    }

    /// `roots.bin`.
    ///
    /// # Errors
    /// None for these keys.
    pub fn roots(&self) -> Result<Roots, Refused> {
        let mut bytes = vec![2, 3];
        self.roots.iter().for_each(|r| bytes.extend_from_slice(&r.public().0));
        Roots::parse(&bytes)
    }

    /// The Authority.
    ///
    /// # Errors
    /// None for these keys.
    pub fn authority(&self) -> Result<Authority, Refused> {
        let key = |role: Role, secret: &Secret| {
            let (classes, longest_s) = if role.is_bounded() { (vec![Class::Family], 3600) } else { (vec![], 0) };
            AuthorityKey { role, key: secret.public(), classes, longest_s, not_after: NOW + 365 * 86_400 }
        };
        let keys = vec![
            key(Role::Policy, &self.policy),
            key(Role::Entitlement, &self.entitlement),
            key(Role::Grant, &self.grant),
            key(Role::Door, &self.door),
            key(Role::Deny, &self.deny),
        ];
        Ok(Authority { v: VERSION, site: SITE, revision: 3, keys, facility_seal: self.facility_seal()?.public(), always: vec![] })
    }

    /// The Authority as it travels, signed by roots 0 and 1.
    ///
    /// # Errors
    /// None for these keys.
    pub fn authority_json(&self) -> Result<String, Refused> {
        sign::authority(&self.authority()?, &[&self.roots[0], &self.roots[1]])
    }

    /// The door key record as it travels, signed by roots 0 and 2.
    #[must_use]
    pub fn door_record(&self) -> [u8; 256] {
        let record = DoorRecord { site: SITE.0, door_key: self.door.public().0, revision: 3 };
        sign::door_record(&record, [Some(&self.roots[0]), None, Some(&self.roots[2])])
    }

    /// The ticket that belongs to [`Example::grant`].
    #[must_use]
    pub fn ticket(&self) -> Ticket128 {
        let (media, longest_run_s) = (parloir_seal::ticket::mask(Media::Video), 2100);
        let ticket =
            Ticket { kind: Kind::Nonce, media, device: DEVICE.0, nonce: self.ask().gate_nonce.0, lease: CALL.0, longest_run_s };
        sign::ticket(&ticket, &self.door)
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> SitePolicy {
        let family = ClassRule {
            class: Class::Family,
            longest_s: 1800,
            beat_every_s: 20,
            beat_grace_s: 60,
            make_good_s: 300,
            recording: false,
            monitoring: false,
            price: String::new(),
            video: true,
        };
        SitePolicy {
            v: VERSION,
            site: SITE,
            revision: 7,
            site_name: "Example site".to_owned(),
            zone_minutes: 60,
            sign_in: false,
            classes: vec![family],
            relays: vec![RELAY.to_owned()],
            languages: vec!["en".to_owned(), "pt".to_owned()],
        }
    }

    /// The person's entitlement.
    #[must_use]
    pub fn person(&self) -> Entitlement {
        let windows = vec![Window { from: NOW - 3600, to: NOW + 3600 }, Window { from: NOW + 86_400, to: NOW + 90_000 }];
        let contact = |id, name: &str, media, windows| Contact {
            id,
            name: name.to_owned(),
            class: Class::Family,
            media,
            outgoing: true,
            incoming: true,
            windows,
        };
        Entitlement {
            v: VERSION,
            site: SITE,
            device: DEVICE,
            revision: 12,
            answers: None,
            person: PERSON,
            name: "João".to_owned(),
            language: "pt".to_owned(),
            contacts: vec![
                contact(ANA, "Ana", Media::Video, windows.clone()),
                contact(id(0xa1), "Mother", Media::Voice, windows),
            ],
            bookings: vec![Booking { contact: ANA, from: NOW, to: NOW + 1800 }],
        }
    }

    /// Who lives in the cell, and when a visit is booked.
    #[must_use]
    pub fn agenda(&self) -> Agenda {
        let people = vec![Occupant { tag: 1, person: PERSON }, Occupant { tag: 2, person: id(0x91) }];
        let bookings = vec![Slot { tag: 1, from: NOW, to: NOW + 1800 }];
        Agenda { v: VERSION, site: SITE, device: DEVICE, revision: 4, people, bookings }
    }

    /// The code of who wants to be known.
    #[must_use]
    pub fn sign_in(&self) -> SignIn {
        SignIn { v: VERSION, site: SITE, device: DEVICE, nonce: id(0x75), tag: 1, code: "314159".to_owned() }
    }

    /// The question.
    #[must_use]
    pub fn ask(&self) -> Ask {
        Ask {
            v: VERSION,
            site: SITE,
            device: DEVICE,
            call: CALL,
            person: PERSON,
            contact: ANA,
            class: Class::Family,
            media: Media::Video,
            nonce: id(0x71),
            gate_nonce: id(0x72),
            certificate: CERTIFICATE,
            commitment: None,
            ring: None,
            regrant: None,
        }
    }

    /// An incoming call.
    #[must_use]
    pub fn ring(&self) -> Ring {
        Ring {
            v: VERSION,
            site: SITE,
            device: DEVICE,
            ring: id(0x81),
            person: PERSON,
            contact: ANA,
            class: Class::Family,
            media: Media::Video,
            at: NOW,
        }
    }

    /// The answer.
    #[must_use]
    pub fn grant(&self) -> Grant {
        let ask = self.ask();
        Grant {
            v: VERSION,
            site: SITE,
            device: DEVICE,
            grant: id(0x61),
            call: ask.call,
            nonce: ask.nonce,
            person: ask.person,
            contact: ask.contact,
            class: ask.class,
            media: ask.media,
            box_certificate: ask.certificate,
            parties: vec![Party {
                name: "Ana".to_owned(),
                certificate: Bytes32([0xfa; 32]),
                statement_key: self.visitor.public(),
                code_nonce: None,
            }],
            route: Route::Direct,
            relays: vec![RelayCredentials {
                url: RELAY.to_owned(),
                user: "1796135700:61".to_owned(),
                password: "example".to_owned(),
            }],
            direct_candidates: false,
            recorded_by: String::new(),
            watched_by: String::new(),
            price: String::new(),
            slot_s: 1800,
            lease_s: 2100,
            ticket: self.ticket(),
        }
    }

    /// A renewal.
    #[must_use]
    pub fn beat(&self) -> Beat {
        Beat { v: VERSION, device: DEVICE, grant: id(0x61), count: 4 }
    }

    /// A refusal of the Ask.
    #[must_use]
    pub fn deny(&self) -> Deny {
        Deny {
            v: VERSION,
            site: SITE,
            target: DenyTarget::Ask(id(0x71)),
            words: String::new(),
            code: "VisitorDeclined".to_owned(),
        }
    }

    /// A time statement.
    #[must_use]
    pub fn time(&self) -> Time {
        Time { v: VERSION, device: DEVICE, nonce: id(0x73), unix_ms: NOW * 1000 }
    }

    /// The visitor's last word.
    #[must_use]
    pub fn statement(&self) -> Statement {
        Statement {
            v: VERSION,
            call: CALL,
            count: 31,
            decoding: false,
            decoded_ms: 28_640,
            frames: 851,
            width: 1280,
            height: 720,
            first_frame_ms: 412,
            sound_heard: true,
            last: true,
        }
    }

    /// The receipt, with the visitor's word in it.
    ///
    /// # Errors
    /// None for these keys.
    pub fn receipt(&self) -> Result<Receipt, Refused> {
        Ok(Receipt {
            v: VERSION,
            site: SITE,
            device: DEVICE,
            receipt: id(0x41),
            call: CALL,
            grant: Some(id(0x61)),
            person: PERSON,
            contact: ANA,
            class: Class::Family,
            asked_ms: 0,
            admitted_ms: Some(9_200),
            first_decoded_here_ms: Some(9_540),
            first_decoded_there_ms: Some(9_612),
            ended_ms: 38_250,
            gaps: vec![Gap { from_ms: 20_100, to_ms: 23_400 }],
            seconds_counted: 25,
            frames_decoded: 848,
            width: 1280,
            height: 720,
            reason: "PersonEnded".to_owned(),
            wall_start: NOW,
            ledger_head: Bytes32([0x1e; 32]),
            visitor_statement: Some(sign::sign(&self.statement(), &self.visitor)?),
            regrants: Vec::new(),
            earlier_statements: Vec::new(),
        })
    }

    /// A page of an export: the box was offline for a while, and somebody was refused for it.
    #[must_use]
    pub fn export(&self) -> Export {
        let word = str::to_owned;
        let row = |at_ns, event: &str, call: &str, detail: &str| LedgerRow {
            boot: word("6d1f2f3c-0b1e-4d57-9c8e-5a4b3c2d1e0f"),
            at_ns,
            wall_s: 0,
            event: word(event),
            call: word(call),
            detail: word(detail),
        };
        let rows = vec![row(2_000_000_000, "started", "", "version=1.0.0"), row(9_000_000_000, "refused", "", "code=Offline")];
        let head = rows.iter().zip(1..).fold([0; 32], |head, (row, seq)| parloir_seal::ledger::row_hash(seq, &head, row));
        Export {
            v: VERSION,
            site: SITE,
            device: DEVICE,
            request: id(0x0d),
            boot: id(0xb7),
            at_ms: 61_000,
            wall: NOW,
            started_ms: 2_000,
            release: word("1.0.0"),
            revisions: Revisions { authority: 1, policy: 1, entitlement: 1 },
            machines: Machines { call: word("Idle"), camera: word("Shut"), remote: word("Focused"), maintenance: word("Idle") },
            facts: vec![Fact { name: word("online"), holds: true, since_ms: 12_000 }],
            codes: vec![Told { code: word("Offline"), times: 1, first_ms: 9_000, last_ms: 9_000 }],
            recent: vec![Occurrence { at_ms: 9_000, wall: 0, code: word("Offline"), call: None }],
            ledger: Some(LedgerPage { from: 1, previous: Bytes32([0; 32]), last: rows.len() as u64, rows, head: Bytes32(head) }),
            journal: None,
        }
    }
}
