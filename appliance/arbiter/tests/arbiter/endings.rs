//! Owns: what must survive: receipts until they are acknowledged, a crash in a visit, revocations and floors over restarts.
//! Never: an end without a reason.
//! Called by: cargo test.

use crate::cell::{Cell, Courier, error_name};
use crate::facility;
use crate::gate::Gate;
use crate::house::inside;
use parloir_arbiter::ledger::Ledger;
use parloir_bus::view::Phase;
use parloir_issuer::sign;
use parloir_pass::{DenyTarget, SitePolicy};
use std::time::Duration;

/// A visit to its end; the receipt is not acknowledged. Answers its sealed bytes.
async fn visit_without_ack(cell: &mut Cell) -> Vec<u8> {
    let asked = cell.ask().await;
    let grant = cell.join(&asked).await;
    cell.live(&asked).await;
    cell.screen.end().await.unwrap();
    cell.gate.closed(grant.call.0).await;
    let last = cell.visitor.says(grant.call, 2, false, true);
    cell.courier.deliver("statement", &last).await.unwrap();
    let (_, body) = cell.courier.next_of("receipt").await;
    cell.phase(Phase::Ended).await;
    body
}

async fn receipts(courier: &mut Courier) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    while let Ok((id, kind, body)) = tokio::time::timeout(Duration::from_millis(400), courier.next()).await {
        if kind == "receipt" {
            all.push((id, body));
        }
    }
    all
}

#[test]
fn a_receipt_is_sent_again_until_it_is_acknowledged() {
    inside("endings::a_receipt_is_sent_again_until_it_is_acknowledged", |house| async {
        let mut cell = Cell::ready(house).await;
        let body = visit_without_ack(&mut cell).await;
        // Another courier, the same arbiter.
        cell.courier.bus.clone().close().await.unwrap();
        let mut courier = Courier::attach(&cell.house).await;
        let again = receipts(&mut courier).await;
        assert_eq!(again.iter().map(|r| &r.1).collect::<Vec<_>>(), vec![&body]);
        // Another arbiter; an acknowledgement for the earlier one's number is not for this receipt.
        cell.house.kill_arbiter();
        cell.house.start_arbiter().await;
        let mut courier = Courier::attach(&cell.house).await;
        let third = receipts(&mut courier).await;
        assert_eq!(third.iter().map(|r| &r.1).collect::<Vec<_>>(), vec![&body]);
        for id in (0..50).chain([again[0].0]) {
            courier.proxy.sent(id).await.unwrap();
        }
        courier.proxy.attach().await.unwrap();
        assert_eq!(receipts(&mut courier).await.len(), 1, "the wrong number was taken for the right one");
        courier.proxy.sent(third[0].0).await.unwrap();
        // The answer does not wait for the disk; a crash before it is written costs a second copy, never the receipt.
        tokio::time::sleep(Duration::from_millis(300)).await;
        cell.house.kill_arbiter();
        cell.house.start_arbiter().await;
        let mut courier = Courier::attach(&cell.house).await;
        assert!(receipts(&mut courier).await.is_empty());
    });
}

#[test]
fn a_crash_in_a_visit_ends_with_a_receipt_that_says_fault() {
    inside("endings::a_crash_in_a_visit_ends_with_a_receipt_that_says_fault", |house| async {
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        let grant = cell.join(&asked).await;
        cell.live(&asked).await;
        cell.house.kill_arbiter();
        cell.house.start_arbiter().await;
        let mut courier = Courier::attach(&cell.house).await;
        let all = receipts(&mut courier).await;
        assert_eq!(all.len(), 1);
        let (receipt, _) = facility::open_receipt(&cell.house.site, &all[0].1);
        assert_eq!((receipt.reason.as_str(), receipt.call, receipt.grant), ("Fault", grant.call, Some(grant.grant)));
        // Once: a second start does not make a second one of the same visit.
        courier.proxy.sent(all[0].0).await.unwrap();
        cell.house.kill_arbiter();
        let ledger = Ledger::open(&cell.house.dir.join("state")).unwrap();
        assert_eq!(ledger.open_visits().unwrap(), vec![]);
        let (rows, head) = ledger.check().unwrap();
        assert!(rows >= 6 && head != receipt.ledger_head.0, "{rows} rows");
    });
}

#[test]
fn gate_that_goes_ends_the_visit_and_a_new_one_is_taken() {
    inside("endings::gate_that_goes_ends_the_visit_and_a_new_one_is_taken", |house| async {
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        cell.join(&asked).await;
        cell.live(&asked).await;
        let (socket, device) = (cell.house.gate_socket(), cell.house.site.device.0);
        let started = std::time::Instant::now();
        cell.gate = {
            drop(std::mem::replace(&mut cell.gate, Gate::nobody()));
            Gate::start(&socket, device).await
        };
        let view = cell.until("ended", |v| v.phase == Phase::Ended).await;
        assert_eq!(view.outcome.unwrap().code, "GateLost");
        assert!(started.elapsed() < Duration::from_secs(6));
        cell.screen.dismiss().await.unwrap();
        cell.phase(Phase::Home).await;
        cell.ask().await;
    });
}

#[test]
fn beats_are_taken_once_and_a_revocation_closes_the_doors() {
    inside("endings::beats_are_taken_once_and_a_revocation_closes_the_doors", |house| async {
        let mut cell = Cell::ready(house).await;
        assert_eq!(cell.courier.deliver("beat", b"eyJ").await.unwrap_err(), "BeatStray");
        let asked = cell.ask().await;
        let grant = cell.join(&asked).await;
        cell.live(&asked).await;
        let beat = |count| facility::beat(&cell.house.site, grant.grant, count);
        let (one, two) = (beat(1), beat(2));
        cell.courier.deliver("beat", &two).await.unwrap();
        assert_eq!(cell.courier.deliver("beat", &two).await.unwrap_err(), "BeatStray");
        assert_eq!(cell.courier.deliver("beat", &one).await.unwrap_err(), "BeatStray");
        let deny = facility::deny(&cell.house.site, DenyTarget::Grant(grant.grant), "Revoked");
        let started = std::time::Instant::now();
        cell.courier.deliver("deny", &deny).await.unwrap();
        cell.gate.closed(grant.call.0).await;
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
        let view = cell.phase(Phase::Ended).await;
        assert_eq!(view.outcome.unwrap().code, "Revoked");
    });
}

/// Broken before: a revoked contact could be called again after somebody had pulled the plug.
#[test]
fn a_revocation_survives_a_restart_though_only_its_hash_is_kept() {
    inside("endings::a_revocation_survives_a_restart_though_only_its_hash_is_kept", |house| async {
        let mut cell = Cell::ready(house).await;
        let ana = cell.house.site.person.contacts[0].id;
        let deny = facility::deny(&cell.house.site, DenyTarget::Contact(ana), "Revoked");
        cell.courier.deliver("deny", &deny).await.unwrap();
        cell.house.logged("document taken").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        cell.house.kill_arbiter();
        let kept = Ledger::open(&cell.house.dir.join("state")).unwrap().denied().unwrap();
        assert_eq!(kept.len(), 1);
        let Cell { house, .. } = cell;
        let mut cell = Cell::ready(house).await;
        let serial = cell.press_ok().await;
        let refused = cell.screen.place(&cell.contact("Ana"), "video", serial).await.map_err(|e| error_name(&e));
        assert_eq!(refused.unwrap_err(), "Denied");
    });
}

/// Broken before: the broker brings what waited before what is retained, and a denial without its Authority was refused for good.
#[test]
fn a_denial_that_comes_before_its_authority_is_judged_after_it() {
    inside("endings::a_denial_that_comes_before_its_authority_is_judged_after_it", |mut house| async move {
        house.start_arbiter().await;
        let courier = Courier::attach(&house).await;
        let ana = house.site.person.contacts[0].id;
        courier.deliver("deny", &facility::deny(&house.site, DenyTarget::Contact(ana), "Revoked")).await.unwrap();
        courier.deliver("authority", &house.site.authority).await.unwrap();
        house.logged("document taken").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        house.kill_arbiter();
        assert_eq!(Ledger::open(&house.dir.join("state")).unwrap().denied().unwrap().len(), 1);
    });
}

#[test]
fn an_older_policy_is_refused_also_after_a_restart() {
    inside("endings::an_older_policy_is_refused_also_after_a_restart", |house| async {
        let mut cell = Cell::ready(house).await;
        let compact = cell.house.site.policy_jws.clone();
        let payload = compact.split(|c| *c == b'.').nth(1).unwrap();
        let mut policy: SitePolicy = serde_json::from_slice(&decode(payload)).unwrap();
        policy.revision = 5;
        let newer = sign(&policy, &cell.house.site.policy).unwrap();
        cell.courier.deliver("policy", newer.as_bytes()).await.unwrap();
        assert_eq!(cell.courier.deliver("policy", &compact).await.unwrap_err(), "DocumentOld");
        tokio::time::sleep(Duration::from_millis(200)).await;
        cell.house.kill_arbiter();
        cell.house.start_arbiter().await;
        let courier = Courier::attach(&cell.house).await;
        assert_eq!(courier.deliver("policy", &compact).await.unwrap_err(), "DocumentOld");
        courier.deliver("policy", newer.as_bytes()).await.unwrap();
    });
}

pub fn decode(base64url: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut out, mut group, mut bits) = (Vec::new(), 0_u32, 0);
    for c in base64url {
        group = group << 6 | u32::try_from(ALPHABET.iter().position(|a| a == c).unwrap()).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((group >> bits & 0xff) as u8);
        }
    }
    out
}
