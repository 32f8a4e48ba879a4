//! Owns: what an export says of a box that refused somebody, that its pages hold the whole ledger, and that no name and no secret is in it.
//! Never: opens a page by another key than the facility's.
//! Called by: cargo test, methods (who may ask for one).

use crate::cell::{Cell, Courier, error_name};
use crate::house::{ARBITER, House, inside};
use crate::states::{At, bring};
use parloir_arbiter::ledger::{Entry, Ledger};
use parloir_bus::proxy::Diagnostics1Proxy;
use parloir_bus::view::Phase;
use parloir_core::journal::told;
use parloir_core::{Now, State};
use parloir_pass::{Export, Id, Typ};
use parloir_seal::{PublicKey, jws, ledger::row_hash, random, sealed};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::chown;
use std::path::Path;

/// Asks as link does; the error's name without our prefix.
async fn ask(courier: &Courier, request: &[u8]) -> Result<Vec<u8>, String> {
    let proxy = Diagnostics1Proxy::new(&courier.bus).await.unwrap();
    proxy.export(request).await.map_err(|e| error_name(&e))
}

fn request(id: Id, part: &str, from: u64) -> Vec<u8> {
    json!({"v": 1, "request": id, "part": part, "from": from}).to_string().into_bytes()
}

/// A page as the facility reads it.
pub async fn page(house: &House, courier: &Courier, part: &str, from: u64) -> Export {
    let id = random::id().unwrap();
    let body = ask(courier, &request(id, part, from)).await.unwrap();
    let plain = sealed::open(Typ::Export, &house.site.device, &house.site.seal, &body).unwrap();
    let page: Export = jws::verify(&plain, &PublicKey::new(&house.site.box_key).unwrap()).unwrap();
    assert_eq!((page.request, page.site, page.device), (id, house.site.site, house.site.device));
    page
}

#[test]
fn an_export_says_what_was_refused_and_since_when_and_names_nobody() {
    inside("diagnostics::an_export_says_what_was_refused_and_since_when_and_names_nobody", |house| async {
        let mut cell = Cell::ready(house).await;
        let _here = bring(&mut cell, At::Live).await;
        let live = page(&cell.house, &cell.courier, "ledger", 1).await;
        assert_eq!((live.machines.call.as_str(), live.machines.camera.as_str()), ("Live", "Open"));
        // Twice by a key that is no press.
        for _ in 0..2 {
            let no = cell.screen.place(&cell.contact("Ana"), "video", 77).await.unwrap_err();
            assert_eq!(error_name(&no), "NoFreshKey");
        }
        cell.courier.proxy.online(false).await.unwrap();
        let page = page(&cell.house, &cell.courier, "ledger", 1).await;
        let told = page.codes.iter().find(|told| told.code == "NoFreshKey").unwrap();
        assert_eq!(told.times, 2);
        assert!(page.started_ms <= told.first_ms && told.first_ms <= told.last_ms && told.last_ms <= page.at_ms);
        let last = page.recent.last().unwrap();
        assert_eq!((last.code.as_str(), last.call), ("NoFreshKey", None));
        let fact = |name: &str| page.facts.iter().find(|f| f.name == name).unwrap();
        assert!(fact("gate").holds && fact("screen").holds && fact("documents").holds && fact("clock").holds);
        assert!(!fact("online").holds && fact("online").since_ms >= live.at_ms);
        assert_eq!((page.revisions.authority, page.revisions.policy, page.revisions.entitlement), (1, 1, 1));
        assert!(page.wall > 0);

        let text = serde_json::to_string(&page).unwrap();
        let person = &cell.house.site.person;
        for name in person.contacts.iter().map(|c| &c.name).chain([&person.name]) {
            assert!(!text.contains(name.as_str()), "{name} is in the export");
        }
        let rows = page.ledger.unwrap().rows;
        assert!(rows.iter().any(|row| row.event == "refused" && row.detail.starts_with("code=NoFreshKey person=")), "{rows:?}");
    });
}

#[test]
fn the_pages_hold_the_whole_ledger_and_its_chain() {
    inside("diagnostics::the_pages_hold_the_whole_ledger_and_its_chain", |house| async {
        long_ledger(&house.dir.join("state"));
        let cell = Cell::ready(house).await;
        let (mut from, mut head, mut pages) = (1, [0; 32], 0);
        loop {
            let ledger = page(&cell.house, &cell.courier, "ledger", from).await.ledger.unwrap();
            assert_eq!((ledger.from, ledger.previous.0), (from, head));
            for row in &ledger.rows {
                head = row_hash(from, &head, row);
                from += 1;
            }
            pages += 1;
            if from > ledger.last {
                assert_eq!(ledger.head.0, head);
                break;
            }
        }
        assert!(pages > 2 && from > 300, "{pages} pages, {from} rows");
        let beyond = page(&cell.house, &cell.courier, "ledger", from + 1000).await.ledger.unwrap();
        assert!(beyond.rows.is_empty());
    });
}

/// As the arbiter of an earlier start left it.
fn long_ledger(state: &Path) {
    let mut ledger = Ledger::open(state).unwrap();
    for n in 0..300_u64 {
        let (event, call) = ("asked".to_owned(), Id(u128::from(n).to_le_bytes()).to_string());
        let detail = format!("contact={call} serial={n}");
        let boot = "6d1f2f3c-0b1e-4d57-9c8e-5a4b3c2d1e0f".to_owned();
        ledger.append(&Entry { boot, at_ns: n, wall_s: 0, event, call, detail }).unwrap();
    }
    drop(ledger);
    for file in std::fs::read_dir(state).unwrap() {
        chown(file.unwrap().path(), Some(ARBITER), Some(ARBITER)).unwrap();
    }
}

#[test]
fn without_an_authority_there_is_nobody_to_seal_to_and_without_end_there_is_no_page() {
    inside(
        "diagnostics::without_an_authority_there_is_nobody_to_seal_to_and_without_end_there_is_no_page",
        |mut house| async move {
            house.start_arbiter().await;
            let courier = Courier::attach(&house).await;
            let good = request(Id([7; 16]), "ledger", 1);
            assert_eq!(ask(&courier, &good).await, Err("NotReady".to_owned()));
            courier.deliver("authority", &house.site.authority).await.unwrap();
            assert!(ask(&courier, &good).await.is_ok());
            for wrong in [b"".as_slice(), b"{}", &good[1..], &request(Id([7; 16]), "keys", 1), &vec![b' '; 257]] {
                assert_eq!(ask(&courier, wrong).await, Err("MalformedArgument".to_owned()));
            }
            let mut refused = None;
            for _ in 0..2000 {
                refused = ask(&courier, &good).await.err();
                if refused.is_some() {
                    break;
                }
            }
            assert_eq!(refused.as_deref(), Some("TooMany"));
        },
    );
}

/// The real binary's journal of a visit that was begun, refused a second one and ended, through the core again.
#[test]
fn the_journal_of_a_visit_gives_the_same_effects_again() {
    inside("diagnostics::the_journal_of_a_visit_gives_the_same_effects_again", |house| async {
        let mut cell = Cell::ready(house).await;
        let here = bring(&mut cell, At::Live).await;
        assert!(cell.screen.place(&cell.contact("Ana"), "video", 77).await.is_err());
        cell.goes_on(here.asked(), 2).await;
        cell.screen.end().await.unwrap();
        cell.phase(Phase::Closing).await;
        let mut text = String::new();
        let total = loop {
            let from = text.len() as u64;
            let piece = page(&cell.house, &cell.courier, "journal", from).await.journal.unwrap();
            assert_eq!(piece.from, from);
            text.push_str(&piece.text);
            if text.len() as u64 >= piece.total {
                break piece;
            }
        };
        assert_eq!((total.total, total.digest.0), (text.len() as u64, Sha256::digest(&text).into()));

        let mut lines = text.lines();
        let head: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let mut core = serde_json::from_value::<State>(head["state"].clone()).unwrap().restored();
        let mut kinds = Vec::new();
        for line in lines {
            let step: Value = serde_json::from_str(line).unwrap();
            let now = Now { mono_ms: step["at"].as_u64().unwrap() };
            let effects = core.step(now, serde_json::from_value(step["event"].clone()).unwrap());
            let did = Sha256::digest(told(&effects))[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            assert_eq!(step["did"], did, "{line}");
            if kinds.last() != Some(&core.call_kind()) {
                kinds.push(core.call_kind());
            }
        }
        use parloir_core::call::Kind::{Asking, Closing, Idle, Joining, Live};
        assert_eq!(kinds, [Idle, Asking, Joining, Live, Closing]);
        let person = &cell.house.site.person;
        for name in person.contacts.iter().map(|c| &c.name).chain([&person.name]) {
            assert!(!text.contains(name.as_str()), "{name} is in the journal");
        }
    });
}
