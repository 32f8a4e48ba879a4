//! Owns: the maintenance lease on the real bus: given, held, dropped, taken back; and what the updater is told and says.
//! Never: an update.
//! Called by: cargo test.

use crate::cell::{Cell, error_name};
use crate::house::{LIMIT, UPDATER, inside};
use crate::states::{At, bring};
use parloir_bus::proxy::Maintenance1Proxy;
use parloir_bus::view::Phase;
use parloir_pass::Entitlement;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use zbus::Connection;

const VERSION: &str = "1.2.3";

/// At home, and nobody has booked a visit.
async fn free(house: crate::house::House) -> (Cell, Connection) {
    let cell = Cell::ready(house).await;
    let site = &cell.house.site;
    let person = Entitlement { bookings: Vec::new(), revision: site.person.revision + 1, ..site.person.clone() };
    cell.courier.deliver("entitlement", &crate::facility::entitlement(site, &person)).await.unwrap();
    let bus = cell.house.connect(UPDATER).await;
    (cell, bus)
}

/// Whether the other end was closed; nothing else can come.
async fn taken_back(lease: &OwnedFd, within: Duration) -> bool {
    let start = Instant::now();
    while start.elapsed() < within {
        match parloir_shell::fds::recv(lease, 1, 0) {
            Ok(None) => return true,
            Ok(Some(message)) => panic!("a word in the lease: {:?}", message.bytes),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    false
}

#[test]
fn a_lease_keeps_calls_away_until_its_holder_closes_it() {
    inside("maintenance::a_lease_keeps_calls_away_until_its_holder_closes_it", |house| async {
        let (mut cell, bus) = free(house).await;
        let updater = Maintenance1Proxy::new(&bus).await.unwrap();
        for (stage, word) in [("install", "installing"), ("restart", "restarting")] {
            let lease: OwnedFd = updater.begin(stage, VERSION).await.unwrap().into();
            let view = cell.until(word, |v| v.maintenance == word).await;
            assert!(view.contacts.iter().all(|c| !c.can_call && c.why_not == "Updating"), "{view:?}");
            let again = updater.begin("restart", VERSION).await.unwrap_err();
            assert_eq!(error_name(&again), "Updating");
            assert!(!updater.health().await.unwrap()["quiet"]);
            let serial = cell.press_ok().await;
            let refused = cell.screen.place(&cell.contact("Ana"), "video", serial).await.unwrap_err();
            assert_eq!(error_name(&refused), "Updating");
            assert!(!taken_back(&lease, Duration::from_millis(200)).await);
            drop(lease);
            cell.until("over", |v| v.maintenance.is_empty()).await;
            cell.screen.dismiss().await.unwrap();
            cell.phase(Phase::Home).await;
        }
        cell.ask().await;
    });
}

#[test]
fn a_visit_is_waited_for_and_a_holder_that_dies_has_no_lease() {
    inside("maintenance::a_visit_is_waited_for_and_a_holder_that_dies_has_no_lease", |house| async {
        let (mut cell, bus) = free(house).await;
        let updater = Maintenance1Proxy::new(&bus).await.unwrap();
        let here = bring(&mut cell, At::Live).await;
        let refused = updater.begin("install", VERSION).await.unwrap_err();
        assert_eq!(error_name(&refused), "InVisit");
        assert_eq!(cell.gate.within(Duration::from_millis(200)).await, vec![], "gate heard of it");
        cell.screen.end().await.unwrap();
        cell.gate.closed(here.lease()).await;
        cell.phase(Phase::Ended).await;
        let start = Instant::now();
        let lease = loop {
            match updater.begin("install", VERSION).await {
                Ok(lease) => break OwnedFd::from(lease),
                Err(error) => assert!(start.elapsed() < LIMIT && error_name(&error) == "DoorsNotShut", "{error}"),
            }
        };
        cell.until("installing", |v| v.maintenance == "installing").await;
        drop(updater);
        bus.close().await.unwrap();
        cell.until("over with its holder", |v| v.maintenance.is_empty()).await;
        assert!(taken_back(&lease, LIMIT).await);
    });
}

#[test]
fn an_arbiter_that_stops_takes_an_installation_back() {
    inside("maintenance::an_arbiter_that_stops_takes_an_installation_back", |house| async {
        let (mut cell, bus) = free(house).await;
        let updater = Maintenance1Proxy::new(&bus).await.unwrap();
        let lease: OwnedFd = updater.begin("install", VERSION).await.unwrap().into();
        cell.house.terminate_arbiter();
        assert!(taken_back(&lease, LIMIT).await);
        assert!(cell.house.ended().await);
        let rows = rows(&mut cell);
        let wanted = ["maintenance-began stage=install version=1.2.3", "maintenance-over why=Stopped"];
        assert!(wanted.iter().all(|row| rows.contains(&(*row).to_owned())), "{rows:#?}");
    });
}

/// Event and detail of each row.
fn rows(cell: &mut Cell) -> Vec<String> {
    let db = rusqlite::Connection::open(cell.house.dir.join("state").join(parloir_arbiter::ledger::FILE)).unwrap();
    let mut all = db.prepare("SELECT event || ' ' || detail FROM ledger ORDER BY seq").unwrap();
    all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_report_stands_in_the_ledger_and_a_failed_one_on_the_screen() {
    inside("maintenance::a_report_stands_in_the_ledger_and_a_failed_one_on_the_screen", |house| async {
        let (mut cell, bus) = free(house).await;
        let updater = Maintenance1Proxy::new(&bus).await.unwrap();
        updater.report(VERSION, "UpdateSignature").await.unwrap();
        cell.until("told", |v| v.update == "UpdateSignature").await;
        for (version, word) in [("", "Blessed"), ("1 2", "Blessed"), (VERSION, "Better"), (VERSION, "")] {
            assert_eq!(error_name(&updater.report(version, word).await.unwrap_err()), "MalformedArgument", "{version} {word}");
        }
        updater.report(VERSION, "Blessed").await.unwrap();
        cell.until("good again", |v| v.update.is_empty()).await;
        cell.house.terminate_arbiter();
        assert!(cell.house.ended().await);
        let rows = rows(&mut cell);
        for word in ["UpdateSignature", "Blessed"] {
            assert!(rows.contains(&format!("update word={word} version={VERSION}")), "{rows:#?}");
        }
    });
}

#[test]
fn health_says_what_is_there() {
    inside("maintenance::health_says_what_is_there", |mut house| async move {
        house.start_arbiter().await;
        let bus = house.connect(UPDATER).await;
        let updater = Maintenance1Proxy::new(&bus).await.unwrap();
        let health = async || updater.health().await.unwrap().into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect();
        let bare: Vec<String> = health().await;
        assert_eq!(bare, ["quiet"], "nobody is there, so nobody is disturbed");
        let gate = crate::gate::Gate::start(&house.gate_socket(), house.site.device.0).await;
        let cell = Cell::meet(house, gate).await;
        let all = async |wanted: &[&str]| {
            let start = Instant::now();
            while health().await != wanted {
                assert!(start.elapsed() < LIMIT, "{:?} and not {wanted:?}", health().await);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        all(&["courier", "gate", "online"]).await;
        cell.screen.drawn().await.unwrap();
        all(&["courier", "drawn", "gate", "online"]).await;
        // A screen that attaches anew has drawn nothing yet; one that left neither; and the facility's word of this start stands.
        let other = cell.house.connect(crate::house::UI).await;
        parloir_bus::proxy::Calls1Proxy::new(&other).await.unwrap().attach().await.unwrap();
        all(&["courier", "gate", "online"]).await;
        assert_eq!(error_name(&cell.screen.drawn().await.unwrap_err()), "NotScreen");
        cell.courier.bus.clone().close().await.unwrap();
        all(&["gate", "online"]).await;
    });
}
