//! Owns: calls that come to the cell, from the sealed ring to the visit, and every ring that must stay silent.
//! Never: an answer without a press.
//! Called by: cargo test.

use crate::cell::{Cell, error_name};
use crate::facility;
use crate::house::inside;
use crate::states::{At, bring};
use parloir_bus::view::Phase;
use parloir_issuer::Secret;
use parloir_pass::{DenyTarget, Id, Ring};
use parloir_wire::keys::Key;
use parloir_wire::lease::ToCall;
use std::time::Duration;

const QUIET: Duration = Duration::from_millis(300);
/// A ring must not catch a press that was meant for something else.
const CATCH: Duration = Duration::from_millis(750);

impl Cell {
    async fn rings(&mut self, ring: &Ring) -> Result<(), String> {
        let body = facility::seal(&self.house.site, ring, &self.house.site.grant);
        self.courier.deliver("ring", &body).await
    }

    /// What the facility hears next of a ring: state and code.
    async fn heard(&mut self, ring: Id) -> (String, String) {
        let (number, body) = self.courier.next_of("ring").await;
        self.courier.proxy.sent(number).await.unwrap();
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&said["v"], said["ring"].as_str().unwrap()), (&1.into(), ring.to_string().as_str()));
        (said["state"].as_str().unwrap().to_owned(), said["code"].as_str().unwrap().to_owned())
    }
}

fn told(state: &str, code: &str) -> (String, String) {
    (state.to_owned(), code.to_owned())
}

#[test]
fn a_ring_is_answered_by_a_press_and_becomes_a_visit() {
    inside("incoming::a_ring_is_answered_by_a_press_and_becomes_a_visit", |house| async {
        let mut cell = Cell::ready(house).await;
        let ring = facility::ring(&cell.house.site);
        cell.rings(&ring).await.unwrap();
        let call = cell.phase(Phase::Ringing).await.call.unwrap();
        assert_eq!((call.id.as_str(), call.name.as_str(), call.media.as_str()), (ring.ring.to_string().as_str(), "Ana", "video"));
        assert!(!call.camera && !call.microphone && call.incoming);
        assert_eq!(cell.heard(ring.ring).await, told("ringing", ""));
        let id = ring.ring.to_string();
        let answer = async |cell: &Cell, serial| cell.screen.answer(&id, "video", serial).await.map_err(|e| error_name(&e));
        // No press, a press of before, a press that was on its way when it began to ring: it rings on.
        assert_eq!(answer(&cell, 0).await.unwrap_err(), "NoFreshKey");
        let early = cell.press_ok().await;
        assert_eq!(answer(&cell, early).await.unwrap_err(), "NoFreshKey");
        tokio::time::sleep(CATCH).await;
        assert_eq!(answer(&cell, early).await.unwrap_err(), "NoFreshKey");
        let other = cell.gate.press(Key::Red);
        cell.next_key().await;
        assert_eq!(answer(&cell, other).await.unwrap_err(), "NoFreshKey");
        assert_eq!(cell.gate.within(QUIET).await, vec![], "gate heard of it");
        assert_eq!(cell.view.phase, Phase::Ringing);
        // The person's own.
        let serial = cell.press_ok().await;
        let call = answer(&cell, serial).await.unwrap();
        assert_eq!(cell.heard(ring.ring).await, told("answered", ""));
        let asked = cell.asked(call, serial).await;
        assert_eq!(asked.ask.ring, Some(ring.ring));
        let grant = cell.join(&asked).await;
        cell.live(&asked).await;
        cell.screen.end().await.unwrap();
        cell.gate.closed(grant.call.0).await;
        let (_, body) = cell.courier.next_of("receipt").await;
        assert_eq!(facility::open_receipt(&cell.house.site, &body).0.reason, "PersonEnded");
    });
}

#[test]
fn a_ring_is_declined_taken_back_or_finds_somebody_busy() {
    inside("incoming::a_ring_is_declined_taken_back_or_finds_somebody_busy", |house| async {
        let mut cell = Cell::ready(house).await;
        let ring = bring(&mut cell, At::Ringing).await.ring.unwrap();
        assert_eq!(cell.heard(ring).await, told("ringing", ""));
        // A second caller meanwhile.
        let second = facility::ring(&cell.house.site);
        assert_eq!(cell.rings(&second).await.unwrap_err(), "Busy");
        assert_eq!(cell.heard(second.ring).await, told("over", "Busy"));
        assert_eq!(cell.view.phase, Phase::Ringing);
        cell.screen.decline(&ring.to_string()).await.unwrap();
        assert_eq!(cell.heard(ring).await, told("over", "RingDeclined"));
        cell.phase(Phase::Home).await;

        let ring = bring(&mut cell, At::Ringing).await.ring.unwrap();
        cell.heard(ring).await;
        let deny = facility::deny(&cell.house.site, DenyTarget::Ring(ring), "CallerGone");
        cell.courier.deliver("deny", &deny).await.unwrap();
        let outcome = cell.phase(Phase::Refused).await.outcome.unwrap();
        assert_eq!((outcome.code.as_str(), outcome.name.as_str()), ("CallerGone", "Ana"));
        assert_eq!(cell.heard(ring).await, told("over", "CallerGone"));
        cell.screen.dismiss().await.unwrap();
        cell.phase(Phase::Home).await;

        // Hanging up is declining, and in a visit nothing rings.
        let ring = bring(&mut cell, At::Ringing).await.ring.unwrap();
        cell.heard(ring).await;
        cell.screen.end().await.unwrap();
        assert_eq!(cell.heard(ring).await, told("over", "RingDeclined"));
        cell.phase(Phase::Home).await;
        bring(&mut cell, At::Live).await;
        let late = facility::ring(&cell.house.site);
        assert_eq!(cell.rings(&late).await.unwrap_err(), "Busy");
        assert_eq!(cell.view.phase, Phase::Live);
        assert_eq!(cell.gate.within(QUIET).await, vec![]);
    });
}

/// Each line is a ring that somebody between the facility and the cell, or the facility by mistake, could send.
#[test]
fn a_ring_that_is_not_genuine_fresh_and_allowed_stays_silent() {
    inside("incoming::a_ring_that_is_not_genuine_fresh_and_allowed_stays_silent", |house| async {
        let mut cell = Cell::ready(house).await;
        let good = facility::ring(&cell.house.site);
        let contacts = cell.house.site.person.contacts.clone();
        let changed = |change: &dyn Fn(&mut Ring)| {
            let mut ring = Ring { ring: parloir_seal::random::id().unwrap(), ..good };
            change(&mut ring);
            ring
        };
        let refusals: [(&str, Ring); 7] = [
            ("NotForThisSite", changed(&|r| r.site = Id([7; 16]))),
            ("NotForThisBox", changed(&|r| r.device = Id([7; 16]))),
            ("NoContact", changed(&|r| r.person = Id([7; 16]))),
            ("NoContact", changed(&|r| r.contact = Id([7; 16]))),
            ("OutsideWindow", changed(&|r| r.contact = contacts[2].id)),
            ("RingOld", changed(&|r| r.at -= 61)),
            ("RingOld", changed(&|r| r.at += 62)),
        ];
        for (code, ring) in refusals {
            assert_eq!(cell.rings(&ring).await, Err(code.to_owned()), "{ring:?}");
        }
        let (entitlement, stranger) = (&cell.house.site.entitlement, &Secret::generate().unwrap());
        for key in [entitlement, stranger] {
            let body = facility::seal(&cell.house.site, &good, key);
            assert!(cell.courier.deliver("ring", &body).await.is_err());
        }
        let mut body = facility::seal(&cell.house.site, &good, &cell.house.site.grant);
        let last = body.len() - 1;
        body[last] ^= 1;
        assert!(cell.courier.deliver("ring", &body).await.is_err());
        assert_eq!(cell.screen.attach().await.unwrap().phase, Phase::Home, "it rang");
        // Once, and not again.
        cell.rings(&good).await.unwrap();
        cell.phase(Phase::Ringing).await;
        cell.screen.decline(&good.ring.to_string()).await.unwrap();
        cell.phase(Phase::Home).await;
        assert_eq!(cell.rings(&good).await.unwrap_err(), "RingStray");
        assert_eq!(cell.screen.attach().await.unwrap().phase, Phase::Home, "it rang twice");
        assert_eq!(cell.gate.within(QUIET).await, vec![]);
    });
}

/// The page comes back with another certificate: the box asks again, a grant for the time that is left takes the place of the first, the
/// old page's word counts no more, and the receipt names both.
#[test]
fn another_grant_takes_the_place_of_the_first() {
    inside("incoming::another_grant_takes_the_place_of_the_first", |house| async {
        let mut cell = Cell::ready(house).await;
        let here = bring(&mut cell, At::Live).await;
        let first = here.grant.clone().unwrap();
        let hint = format!(r#"{{"v":1,"call":"{}"}}"#, first.call);
        let last_word = cell.visitor.says(first.call, 5, true, false);
        cell.courier.deliver("statement", &last_word).await.unwrap();
        cell.courier.deliver("again", hint.as_bytes()).await.unwrap();
        // Without end: one question.
        for _ in 0..50 {
            assert_eq!(cell.courier.deliver("again", hint.as_bytes()).await.unwrap_err(), "AgainStray");
        }
        let (number, body) = cell.courier.next_of("ask").await;
        cell.courier.proxy.sent(number).await.unwrap();
        let ask = facility::open_ask(&cell.house.site, &body);
        assert_eq!((ask.call, ask.regrant, ask.certificate), (first.call, Some(first.grant), here.asked().ask.certificate));
        assert_ne!(ask.nonce, here.asked().ask.nonce);
        let old = std::mem::replace(&mut cell.visitor, facility::Visitor::new());
        let mut second = cell.grant_for(&ask);
        // Not a second more than is left.
        assert_eq!(cell.deliver_grant(&second).await.unwrap_err(), "GrantDuration");
        for count in 0..5 {
            here.call().progress(count);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        cell.courier.deliver("again", hint.as_bytes()).await.unwrap();
        let (_, body) = cell.courier.next_of("ask").await;
        let ask = facility::open_ask(&cell.house.site, &body);
        second = facility::shorter(&cell.house.site, &cell.grant_for(&ask), 300);
        cell.deliver_grant(&second).await.unwrap();
        let plan = loop {
            if let (ToCall::Plan(plan), _) = here.call().next_but_holds().await {
                break plan;
            }
        };
        assert_eq!((plan.generation, plan.far), (2, vec![cell.visitor.certificate.0]));
        assert_eq!(cell.gate.within(QUIET).await, vec![], "no door is opened twice");
        // The old page's word is refused by name, the new one's counts from one.
        let late = old.says(first.call, 6, true, false);
        assert_eq!(cell.courier.deliver("statement", &late).await.unwrap_err(), "StatementStray");
        cell.house.logged("signed under a grant that was replaced").await;
        cell.live(here.asked()).await;
        cell.screen.end().await.unwrap();
        cell.gate.closed(first.call.0).await;
        let last = cell.visitor.says(first.call, 2, false, true);
        cell.courier.deliver("statement", &last).await.unwrap();
        let (_, body) = cell.courier.next_of("receipt").await;
        let (receipt, visitor) = facility::open_receipt(&cell.house.site, &body);
        assert_eq!((receipt.grant, receipt.regrants), (Some(first.grant), vec![second.grant]));
        assert_eq!(receipt.earlier_statements, vec![String::from_utf8(last_word).unwrap()]);
        assert_eq!(visitor, Some(String::from_utf8(last).unwrap()));
    });
}
