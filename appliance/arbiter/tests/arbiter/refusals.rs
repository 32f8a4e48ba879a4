//! Owns: every "no" that a person or the facility can meet on the way to a visit: a reason on the screen, and no door.
//! Never: a refusal that only the log knows.
//! Called by: cargo test.

use crate::cell::{Asked, Cell, error_name};
use crate::facility;
use crate::house::{UI, inside};
use parloir_bus::proxy::Calls1Proxy;
use parloir_bus::view::Phase;
use parloir_issuer::{Secret, ticket};
use parloir_pass::{Bytes32, DenyTarget, Grant, Id, Ticket128};
use parloir_seal::sealed;
use parloir_wire::keys::Key;
use parloir_wire::ticket::{Kind, Ticket};
use std::time::Duration;

const QUIET: Duration = Duration::from_millis(300);

/// Broken before: a screen that was taken over could dial by itself if any number passed as a serial.
#[test]
fn place_without_a_fresh_key_of_this_person_reaches_nobody() {
    inside("refusals::place_without_a_fresh_key_of_this_person_reaches_nobody", |house| async {
        let mut cell = Cell::ready(house).await;
        let ana = cell.contact("Ana");
        let place = async |cell: &Cell, serial| cell.screen.place(&ana, "video", serial).await.map_err(|e| error_name(&e));
        for serial in [0, 1, u64::MAX] {
            assert_eq!(place(&cell, serial).await.unwrap_err(), "NoFreshKey", "{serial}");
        }
        let view = cell.phase(Phase::Refused).await;
        assert_eq!(view.outcome.unwrap().code, "NoFreshKey");
        let other = cell.gate.press(Key::Red);
        cell.next_key().await;
        assert_eq!(place(&cell, other).await.unwrap_err(), "NoFreshKey", "another key than OK");
        let old = cell.press_ok().await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(place(&cell, old).await.unwrap_err(), "NoFreshKey", "an OK of 1.2 s ago");
        assert_eq!(cell.gate.within(QUIET).await, vec![], "gate heard of it");

        // The screen that attached last and has no keys cannot use the press that went to the other one.
        let thief = cell.house.connect(UI).await;
        let thief = Calls1Proxy::new(&thief).await.unwrap();
        let serial = cell.press_ok().await;
        let stolen = thief.place(&ana, "video", serial).await.map_err(|e| error_name(&e));
        assert_eq!(stolen.unwrap_err(), "NotScreen");
        assert_eq!(cell.gate.within(QUIET).await, vec![], "gate heard of it");
    });
}

#[test]
fn a_press_is_consent_once() {
    inside("refusals::a_press_is_consent_once", |house| async {
        let mut cell = Cell::ready(house).await;
        let serial = cell.press_ok().await;
        let rui = cell.contact("Rui");
        let refused = cell.screen.place(&rui, "video", serial).await.map_err(|e| error_name(&e));
        assert_eq!(refused.unwrap_err(), "OutsideWindow");
        let view = cell.phase(Phase::Refused).await;
        let outcome = view.outcome.unwrap();
        assert!(outcome.code == "OutsideWindow" && outcome.rule == "contact-hours" && outcome.next_from > 0, "{outcome:?}");
        let again = cell.screen.place(&cell.contact("Ana"), "video", serial).await.map_err(|e| error_name(&e));
        assert_eq!(again.unwrap_err(), "NoFreshKey");
        assert_eq!(cell.gate.within(QUIET).await, vec![]);
    });
}

type Change = fn(&mut Grant, &Cell);

fn with_ticket(grant: &mut Grant, cell: &Cell, change: impl FnOnce(&mut Ticket)) {
    let mut body = Ticket {
        kind: Kind::Nonce,
        media: 3,
        device: grant.device.0,
        nonce: [9; 16],
        lease: grant.call.0,
        longest_run_s: grant.lease_s,
    };
    change(&mut body);
    grant.ticket = ticket(&body, &cell.house.site.door);
}

/// What changes, the code on the screen, and the change.
const CHANGES: [(&str, &str, Change); 11] = [
    ("another box", "GrantDevice", |g, _| g.device = Id([7; 16])),
    ("another site", "GrantDevice", |g, _| g.site = Id([7; 16])),
    ("another person", "GrantPerson", |g, _| g.person = Id([7; 16])),
    ("another contact", "GrantContact", |g, c| g.contact = c.house.site.person.contacts[2].id),
    ("another certificate of the box", "GrantCertificate", |g, _| g.box_certificate = Bytes32([7; 32])),
    ("longer than the policy", "GrantDuration", |g, c| {
        (g.slot_s, g.lease_s) = (1801, 1801);
        with_ticket(g, c, |_| ());
    }),
    ("recorded where the policy forbids it", "GrantRecording", |g, _| g.recorded_by = "the prison".into()),
    ("a price that is not the policy's", "GrantPrice", |g, _| g.price = "9 EUR".into()),
    ("no far party", "GrantNotGenuine", |g, _| g.parties.clear()),
    ("a ticket for another nonce of gate", "GrantTicket", |g, c| with_ticket(g, c, |t| t.nonce = [1; 16])),
    ("a forged ticket", "GrantNotGenuine", |g, _| {
        let mut bytes = g.ticket.0;
        bytes[127] ^= 1;
        g.ticket = Ticket128(bytes);
    }),
];

/// Broken before: nothing yet; each line is a way in that a grant of the facility's own keys would open if one comparison were gone.
#[test]
fn a_grant_that_is_not_for_this_ask_opens_nothing() {
    inside("refusals::a_grant_that_is_not_for_this_ask_opens_nothing", |house| async {
        let mut cell = Cell::ready(house).await;
        for (what, code, change) in CHANGES {
            let asked = cell.ask().await;
            let mut grant = cell.grant_for(&asked.ask);
            change(&mut grant, &cell);
            let body = signed(&cell, &grant);
            refused(&mut cell, &asked, &body, what, code).await;
        }
    });
}

/// Signed and sealed as the facility would; the issuer itself refuses some of these, so those are signed as they are.
fn signed(cell: &Cell, grant: &Grant) -> Vec<u8> {
    let site = &cell.house.site;
    let compact = by_hand(grant, &site.grant);
    sealed::seal(parloir_pass::Typ::Grant, &site.device, &site.box_seal, compact.as_bytes()).unwrap()
}

/// A compact JWS without the issuer's checks.
fn by_hand(grant: &Grant, key: &Secret) -> String {
    let header = parloir_seal::jws::header(parloir_pass::Typ::Grant, &key.public());
    let input = format!("{}.{}", base64url(header.as_bytes()), base64url(&serde_json::to_vec(grant).unwrap()));
    let signature = key.sign(input.as_bytes());
    format!("{input}.{}", base64url(&signature))
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |g, b| g << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).for_each(|i| out.push(char::from(ALPHABET[(group >> (18 - 6 * i) & 63) as usize])));
    }
    out
}

async fn refused(cell: &mut Cell, asked: &Asked, body: &[u8], what: &str, code: &str) {
    assert!(cell.courier.deliver("grant", body).await.is_err(), "{what}: taken");
    // The first thing that gate hears is the end of the lease: never Open.
    cell.gate.closed(asked.ask.call.0).await;
    let view = cell.phase(Phase::Refused).await;
    assert_eq!(view.outcome.unwrap().code, code, "{what}");
    assert!(cell.gate.within(Duration::from_millis(50)).await.is_empty(), "{what}");
    cell.screen.dismiss().await.unwrap();
    cell.phase(Phase::Home).await;
}

#[test]
fn a_grant_with_one_bit_changed_or_by_a_wrong_key_opens_nothing() {
    inside("refusals::a_grant_with_one_bit_changed_or_by_a_wrong_key_opens_nothing", |house| async {
        let mut cell = Cell::ready(house).await;
        let site_seal = |cell: &Cell, compact: &[u8]| {
            sealed::seal(parloir_pass::Typ::Grant, &cell.house.site.device, &cell.house.site.box_seal, compact).unwrap()
        };
        // A bit of the header, of the payload, of the signature, and of the sealed body.
        for part in 0..4 {
            let asked = cell.ask().await;
            let mut compact = by_hand(&cell.grant_for(&asked.ask), &cell.house.site.grant).into_bytes();
            let dots: Vec<usize> = compact.iter().enumerate().filter(|(_, c)| **c == b'.').map(|(i, _)| i).collect();
            let at = [dots[0] / 2, dots[0] + 40, dots[1] + 20, 0][part];
            let body = if part < 3 {
                compact[at] ^= 1;
                site_seal(&cell, &compact)
            } else {
                let mut body = site_seal(&cell, &compact);
                body[100] ^= 1;
                body
            };
            refused(&mut cell, &asked, &body, &format!("bit in part {part}"), "GrantNotGenuine").await;
        }
        for role in ["entitlement", "policy", "deny", "door", "stranger"] {
            let asked = cell.ask().await;
            let grant = cell.grant_for(&asked.ask);
            let site = &cell.house.site;
            let stranger = Secret::generate().unwrap();
            let key = match role {
                "entitlement" => &site.entitlement,
                "policy" => &site.policy,
                "deny" => &site.deny,
                "door" => &site.door,
                _ => &stranger,
            };
            let body = site_seal(&cell, by_hand(&grant, key).as_bytes());
            refused(&mut cell, &asked, &body, role, "GrantNotGenuine").await;
        }
    });
}

/// Its signature is genuine, its key's last day is over: the screen names the reason.
#[test]
fn a_grant_by_a_key_whose_date_is_over_is_refused_as_such() {
    inside("refusals::a_grant_by_a_key_whose_date_is_over_is_refused_as_such", |house| async {
        let mut cell = Cell::ready(house).await;
        let old = cell.house.dir.join("keys/site").join(parloir_issuer::provision::OLD_GRANT_KEY);
        let old = parloir_issuer::files::read_secret(&old).unwrap();
        let asked = cell.ask().await;
        let body = facility::seal(&cell.house.site, &cell.grant_for(&asked.ask), &old);
        refused(&mut cell, &asked, &body, "an old key", "GrantKey").await;
    });
}

#[test]
fn a_grant_for_another_nonce_opens_nothing_and_an_old_one_cannot_be_replayed() {
    inside("refusals::a_grant_for_another_nonce_opens_nothing_and_an_old_one_cannot_be_replayed", |house| async {
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        let first = cell.grant_for(&asked.ask);
        let mut wrong = first.clone();
        wrong.nonce = Id([7; 16]);
        let body = signed(&cell, &wrong);
        refused(&mut cell, &asked, &body, "another nonce", "GrantStray").await;
        // The right answer, too late; and again while the next question is pending.
        assert_eq!(cell.deliver_grant(&first).await.unwrap_err(), "GrantStray");
        let again = cell.ask().await;
        assert_eq!(cell.deliver_grant(&first).await.unwrap_err(), "GrantStray");
        assert_eq!(cell.gate.within(QUIET).await, vec![], "a replayed grant reached gate");
        // It is dropped, and the question stays open for the true answer.
        cell.join(&again).await;
    });
}

#[test]
fn direct_candidates_are_a_bench_matter() {
    inside("refusals::direct_candidates_are_a_bench_matter", |mut house| async {
        house.flags.clear();
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        let body = signed(&cell, &cell.grant_for(&asked.ask));
        refused(&mut cell, &asked, &body, "direct candidates", "GrantDirect").await;
    });
}

#[test]
fn a_visitor_who_declines_is_told_and_nothing_opens() {
    inside("refusals::a_visitor_who_declines_is_told_and_nothing_opens", |house| async {
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        let deny = facility::deny(&cell.house.site, DenyTarget::Ask(asked.ask.nonce), "VisitorDeclined");
        cell.courier.deliver("deny", &deny).await.unwrap();
        cell.gate.closed(asked.ask.call.0).await;
        let view = cell.phase(Phase::Refused).await;
        assert_eq!(view.outcome.unwrap().code, "VisitorDeclined");
    });
}
