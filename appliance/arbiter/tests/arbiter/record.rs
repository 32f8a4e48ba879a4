//! Owns: what a person can read of the ledger on the TV: their own, all of it, and nobody else's.
//! Never: looks into the database.
//! Called by: cargo test.

use crate::cell::{Cell, error_name};
use crate::facility;
use crate::house::{UI, inside};
use parloir_bus::proxy::Calls1Proxy;
use parloir_pass::{Entitlement, Id};

#[test]
fn a_person_reads_their_own_record_and_the_next_one_nothing_of_it() {
    inside("record::a_person_reads_their_own_record_and_the_next_one_nothing_of_it", |house| async {
        let mut cell = Cell::ready(house).await;
        assert_eq!(cell.screen.record(0).await.unwrap(), []);
        let ana = cell.contact("Ana");
        assert!(cell.screen.place(&ana, "video", 7).await.is_err(), "nobody pressed OK");
        cell.screen.dismiss().await.unwrap();
        let asked = cell.ask().await;
        let grant = cell.join(&asked).await;
        cell.live(&asked).await;
        cell.screen.end().await.unwrap();
        cell.gate.closed(grant.call.0).await;
        cell.courier.next_of("receipt").await;

        let told = cell.screen.record(0).await.unwrap();
        let brief: Vec<_> = told.iter().map(|m| (m.kind.as_str(), m.code.as_str(), m.contact.as_str(), m.camera)).collect();
        assert_eq!(brief, [("call", "PersonEnded", ana.as_str(), true), ("refused", "NoFreshKey", "", false)], "{told:?}");
        assert!(told.iter().all(|m| m.at > 0), "the clock is believed: {told:?}");
        assert_eq!(cell.screen.record(told[0].seq).await.unwrap(), told[1..]);
        assert_eq!(cell.screen.record(told[1].seq).await.unwrap(), []);

        // Another connection of the screen's user is not the screen.
        let other = cell.house.connect(UI).await;
        let said = Calls1Proxy::new(&other).await.unwrap().record(0).await;
        assert_eq!(said.map_err(|e| error_name(&e)), Err("NotScreen".to_owned()));

        // The next person of this cell.
        let site = &cell.house.site;
        let next = Entitlement { person: Id([9; 16]), revision: site.person.revision + 1, ..site.person.clone() };
        cell.courier.deliver("entitlement", &facility::entitlement(site, &next)).await.unwrap();
        assert_eq!(cell.screen.record(0).await.unwrap(), []);

        // Without end it is no way to keep the disk busy.
        let mut refused = 0;
        for _ in 0..100 {
            refused += u32::from(cell.screen.record(0).await.is_err_and(|e| error_name(&e).eq("TooMany")));
        }
        assert!(refused > 0, "a hundred pages at once");
    });
}
