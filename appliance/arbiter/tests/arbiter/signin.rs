//! Owns: a shared TV on the real bus: a code goes from gate's keys to the facility and past the screen, and of who is not signed in no
//! interface tells anything.
//! Never: a code on the bus, in the log or in the ledger.
//! Called by: cargo test.

use crate::cell::{Cell, error_name, next_of_keys};
use crate::facility;
use crate::house::inside;
use parloir_arbiter::ledger::Ledger;
use parloir_bus::view::{Phase, View};
use parloir_issuer::sign;
use parloir_pass::{Agenda, Contact, Deny, DenyTarget, Entitlement, Id, Occupant, SignIn, SitePolicy, Typ, VERSION};
use parloir_seal::{PublicKey, jws, sealed};
use parloir_wire::keys::Key;
use std::time::Duration;

const QUIET: Duration = Duration::from_millis(300);
/// Of nobody else in these tests: no other text holds it.
const CODE: [Key; 6] = [Key::Digit7, Key::Digit3, Key::Digit0, Key::Digit9, Key::Digit4, Key::Digit8];
const CELLMATE: Id = Id([0xcc; 16]);

impl Cell {
    /// A site that asks for codes, and two who live here.
    async fn shared(&mut self) {
        let site = &self.house.site;
        let policy: SitePolicy =
            serde_json::from_slice(&std::fs::read(self.house.dir.join("keys/site/policy.json")).unwrap()).unwrap();
        let policy = SitePolicy { sign_in: true, revision: policy.revision + 1, ..policy };
        let people = vec![Occupant { tag: 1, person: site.person.person }, Occupant { tag: 2, person: CELLMATE }];
        let (bookings, device) = (Vec::new(), site.device);
        let agenda = Agenda { v: VERSION, site: site.site, device, revision: 1, people, bookings };
        self.courier.deliver("policy", sign(&policy, &site.policy).unwrap().as_bytes()).await.unwrap();
        self.courier.deliver("agenda", &facility::seal(site, &agenda, &site.entitlement)).await.unwrap();
        self.phase(Phase::SignIn).await;
    }

    /// A code by digit keys; the box's document about it.
    async fn enters(&mut self, tag: u8) -> SignIn {
        let serial = self.press_ok().await;
        self.screen.sign_in(tag, serial).await.unwrap();
        self.phase(Phase::Code).await;
        for key in CODE {
            self.gate.press(key);
        }
        self.phase(Phase::Checking).await;
        let (number, body) = self.courier.next_of("sign-in").await;
        self.courier.proxy.sent(number).await.unwrap();
        let site = &self.house.site;
        let plain = sealed::open(Typ::SignIn, &site.device, &site.seal, &body).unwrap();
        jws::verify(&plain, &PublicKey::new(&site.box_key).unwrap()).unwrap()
    }

    /// What the facility answers to the right code.
    async fn is_let_in(&mut self, asked: &SignIn, person: &Entitlement) -> Result<(), String> {
        let revision = self.house.site.person.revision + 1;
        let answer = Entitlement { answers: Some(asked.nonce), revision, ..person.clone() };
        self.courier.deliver("person", &facility::entitlement(&self.house.site, &answer)).await
    }

    fn cellmate(&self) -> Entitlement {
        let person = &self.house.site.person;
        let contact = Contact { id: Id([0xca; 16]), name: "Carl".to_owned(), ..person.contacts[0].clone() };
        let (name, bookings) = ("Kim".to_owned(), Vec::new());
        Entitlement { person: CELLMATE, name, contacts: vec![contact], bookings, ..person.clone() }
    }
}

fn names(view: &View, person: &Entitlement) -> bool {
    let text = format!("{view:?}");
    let all = person.contacts.iter().map(|c| &c.name).chain([&person.name]);
    all.into_iter().any(|name| text.contains(&format!("{name:?}")))
        || person.contacts.iter().any(|c| text.contains(&c.id.to_string()))
}

#[test]
fn a_code_goes_past_the_screen_and_nobody_else_is_reachable() {
    inside("signin::a_code_goes_past_the_screen_and_nobody_else_is_reachable", |house| async {
        let mut cell = Cell::ready(house).await;
        let (one, other) = (cell.house.site.person.clone(), cell.cellmate());
        cell.shared().await;
        assert!(!names(&cell.view, &one), "{:?}", cell.view);
        // The retained entitlement of before answers nothing.
        let retained = facility::entitlement(&cell.house.site, &one);
        assert_eq!(cell.courier.deliver("entitlement", &retained).await.unwrap_err(), "EntitlementStray");

        let asked = cell.enters(1).await;
        assert_eq!((asked.tag, asked.code.as_str()), (1, "730948"));
        assert_eq!(next_of_keys(&cell, QUIET).await, None, "a key of the code came to the screen");
        assert!(!names(&cell.view, &one));
        // Another's answer, and another code's.
        assert_eq!(cell.is_let_in(&asked, &other).await.unwrap_err(), "EntitlementStray");
        let stray = SignIn { nonce: Id([1; 16]), ..asked.clone() };
        assert_eq!(cell.is_let_in(&stray, &one).await.unwrap_err(), "EntitlementStray");
        cell.is_let_in(&asked, &one).await.unwrap();
        let view = cell.phase(Phase::Home).await;
        assert_eq!((view.person.as_str(), view.sign_in.unwrap().tag), (one.name.as_str(), 1));

        // Gone by key; whoever asks for what was theirs, by any method, gets nothing.
        cell.screen.sign_out().await.unwrap();
        cell.phase(Phase::SignIn).await;
        let ana = one.contacts[0].id.to_string();
        let serial = cell.press_ok().await;
        assert_eq!(error_name(&cell.screen.place(&ana, "video", serial).await.unwrap_err()), "SignInFirst");
        cell.screen.dismiss().await.unwrap();
        let fresh = cell.screen.attach().await.unwrap();
        assert!(!names(&fresh, &one), "{fresh:?}");
        assert!(cell.screen.frames().await.is_err());
        assert_eq!(error_name(&cell.screen.record(0).await.unwrap_err()), "NotReady", "nobody's record");

        // The next one sees their own, and calls nobody of the one before.
        let asked = cell.enters(2).await;
        cell.is_let_in(&asked, &other).await.unwrap();
        let view = cell.phase(Phase::Home).await;
        assert!(names(&view, &other) && !names(&view, &one), "{view:?}");
        let serial = cell.press_ok().await;
        assert_eq!(error_name(&cell.screen.place(&ana, "video", serial).await.unwrap_err()), "NoContact");

        // Staff ends it.
        let target = DenyTarget::SignIn { nonce: asked.nonce, wait_s: 0 };
        let (v, site, code) = (VERSION, cell.house.site.site, "Revoked".to_owned());
        let deny = Deny { v, site, target, words: String::new(), code };
        let body = facility::seal(&cell.house.site, &deny, &cell.house.site.deny);
        cell.courier.deliver("deny", &body).await.unwrap();
        cell.until("nobody", |view| view.phase != Phase::Home && view.person.is_empty()).await;

        let log = cell.house.log.lock().unwrap().clone();
        assert!(!log.contains("730948") && !log.contains(&one.name), "the log knows a code or a name");
        let state = cell.house.dir.join("state");
        tokio::time::sleep(QUIET).await;
        cell.house.kill_arbiter();
        let rows = Ledger::open(&state).unwrap().page(1).unwrap().rows;
        let of = |event: &str| rows.iter().filter(|row| row.event == event).count();
        assert_eq!((of("signed-in"), of("signed-out")), (2, 2));
        assert!(rows.iter().all(|row| !row.detail.contains("730948")));
    });
}
