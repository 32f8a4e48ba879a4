//! Owns: disks that are full, read-only, away or damaged, made so by the kernel, under the real arbiter.
//! Never: an error that only a test can make.
//! Called by: cargo test.

use crate::cell::{Asked, Cell, Courier, error_name};
use crate::facility;
use crate::house::{ARBITER, House, inside};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use parloir_arbiter::ledger::{FILE, Ledger};
use parloir_bus::view::Phase;
use parloir_pass::{DenyTarget, Grant};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

const QUIET: Duration = Duration::from_millis(400);

/// A small file system of its own in the place of the state directory.
struct Small(PathBuf);

impl Small {
    fn mount(house: &House) -> Self {
        let path = house.dir.join("state");
        let options = format!("size=2m,uid={ARBITER},gid={ARBITER},mode=0700");
        mount(Some("small"), &path, Some("tmpfs"), MsFlags::empty(), Some(options.as_str())).unwrap();
        Self(path)
    }

    /// Not a byte is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        for size in [4096, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }

    fn writable(&self, yes: bool) {
        let flags = if yes { MsFlags::MS_REMOUNT } else { MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY };
        mount(None::<&str>, &self.0, None::<&str>, flags, None::<&str>).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// OK on Ana is refused for the disk, and neither gate nor the facility hears of it.
async fn refused(cell: &mut Cell) {
    let serial = cell.press_ok().await;
    cell.screen.place(&cell.contact("Ana"), "video", serial).await.unwrap();
    let view = cell.phase(Phase::Refused).await;
    assert_eq!(view.outcome.unwrap().code, "Storage");
    assert_eq!(cell.gate.within(QUIET).await, vec![], "gate heard of it");
    while let Ok((id, kind, _)) = tokio::time::timeout(QUIET, cell.courier.next()).await {
        assert_ne!(kind, "ask", "somebody was asked");
        cell.courier.proxy.sent(id).await.unwrap();
    }
    cell.screen.dismiss().await.unwrap();
    cell.phase(Phase::Home).await;
}

/// Broken before: the facility was asked, a visitor called to the screen, and only then the doors stayed shut.
#[test]
fn on_a_full_disk_nobody_is_asked_and_with_room_the_next_visit_opens() {
    inside("disk::on_a_full_disk_nobody_is_asked_and_with_room_the_next_visit_opens", |house| async {
        let small = Small::mount(&house);
        let mut cell = Cell::ready(house).await;
        small.fill();
        refused(&mut cell).await;
        refused(&mut cell).await;
        small.make_room();
        let asked = cell.ask().await;
        cell.join(&asked).await;
    });
}

#[test]
fn a_disk_that_fills_up_before_the_grant_keeps_the_doors_shut() {
    inside("disk::a_disk_that_fills_up_before_the_grant_keeps_the_doors_shut", |house| async {
        let small = Small::mount(&house);
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        small.fill();
        let grant = cell.grant_for(&asked.ask);
        cell.deliver_grant(&grant).await.ok();
        cell.gate.closed(grant.call.0).await;
        let view = cell.until("over", |v| matches!(v.phase, Phase::Ended | Phase::Refused)).await;
        assert_eq!(view.outcome.unwrap().code, "Storage");
        small.make_room();
        let (_, body) = cell.courier.next_of("receipt").await;
        assert_eq!(facility::open_receipt(&cell.house.site, &body).0.reason, "Storage");
    });
}

/// A visit in which both ends see.
async fn live(house: House) -> (Cell, Asked, Grant) {
    let mut cell = Cell::ready(house).await;
    let asked = cell.ask().await;
    let grant = cell.join(&asked).await;
    cell.live(&asked).await;
    (cell, asked, grant)
}

/// A visit that runs does not end for want of a log, and its receipt reaches the facility while the disk is still full.
#[test]
fn a_disk_that_fills_up_in_a_visit_ends_nothing_and_loses_nothing() {
    inside("disk::a_disk_that_fills_up_in_a_visit_ends_nothing_and_loses_nothing", |house| async {
        let small = Small::mount(&house);
        let (mut cell, asked, grant) = live(house).await;
        small.fill();
        // Longer than the 5 s after which the record is written anew.
        for count in 2..9 {
            cell.goes_on(&asked, count).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(cell.view.phase, Phase::Live);
        let deny = facility::deny(&cell.house.site, DenyTarget::Contact(cell.house.site.person.contacts[1].id), "Revoked");
        cell.courier.deliver("deny", &deny).await.unwrap();
        cell.screen.end().await.unwrap();
        cell.gate.closed(grant.call.0).await;
        let (id, body) = cell.courier.next_of("receipt").await;
        let (receipt, _) = facility::open_receipt(&cell.house.site, &body);
        assert_eq!((receipt.reason.as_str(), receipt.grant), ("PersonEnded", Some(grant.grant)));
        cell.courier.proxy.sent(id).await.unwrap();
        cell.phase(Phase::Ended).await;
        small.make_room();
        cell.house.logged("the disk takes writes again").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        cell.house.kill_arbiter();
        let ledger = Ledger::open(&small.0).unwrap();
        assert_eq!((ledger.open_visits().unwrap(), ledger.waiting_receipts().unwrap()), (vec![], vec![]));
        assert_eq!(ledger.denied().unwrap().len(), 1, "a revocation of the time without a disk");
        ledger.check().unwrap();
        let db = rusqlite::Connection::open(small.0.join(FILE)).unwrap();
        for event in ["denied", "ended", "doors-shut", "receipt"] {
            let count: i64 = db.query_row("SELECT count(*) FROM ledger WHERE event = ?1", [event], |r| r.get(0)).unwrap();
            assert_eq!(count, 1, "{event}");
        }
    });
}

/// The process dies before the disk takes the receipt: the record stands for it, under the same id.
#[test]
fn a_receipt_that_no_disk_took_is_made_again_under_its_own_id() {
    inside("disk::a_receipt_that_no_disk_took_is_made_again_under_its_own_id", |house| async {
        let small = Small::mount(&house);
        let (mut cell, _, grant) = live(house).await;
        small.fill();
        cell.screen.end().await.unwrap();
        cell.gate.closed(grant.call.0).await;
        let (_, body) = cell.courier.next_of("receipt").await;
        let first = facility::open_receipt(&cell.house.site, &body).0;
        cell.house.kill_arbiter();
        small.make_room();
        cell.house.start_arbiter().await;
        let mut courier = Courier::attach(&cell.house).await;
        let (_, body) = courier.next_of("receipt").await;
        let again = facility::open_receipt(&cell.house.site, &body).0;
        assert_eq!((again.receipt, again.call, again.reason.as_str()), (first.receipt, grant.call, "Fault"));
    });
}

/// Broken before: the arbiter did not start, and the screen had nobody to tell it why.
#[test]
fn a_directory_that_cannot_be_written_opens_nothing_until_it_can() {
    inside("disk::a_directory_that_cannot_be_written_opens_nothing_until_it_can", |house| async {
        let small = Small::mount(&house);
        small.writable(false);
        let mut cell = Cell::ready(house).await;
        refused(&mut cell).await;
        small.writable(true);
        // What was denied has to be read before anything opens: it ends, and the service manager starts it again.
        cell.house.logged("starts us again to read it").await;
        cell.house.ended().await;
        let mut cell = cell.again().await;
        let asked = cell.ask().await;
        cell.join(&asked).await;
    });
}

/// Broken before: the arbiter did not start until somebody provisioned the box again.
#[test]
fn a_damaged_database_is_set_aside_and_a_denial_in_it_still_holds() {
    inside("disk::a_damaged_database_is_set_aside_and_a_denial_in_it_still_holds", |house| async {
        let mut cell = Cell::ready(house).await;
        let rui = cell.house.site.person.contacts[0].id;
        let deny = facility::deny(&cell.house.site, DenyTarget::Contact(rui), "Revoked");
        cell.courier.deliver("deny", &deny).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        cell.house.kill_arbiter();
        let path = cell.house.dir.join("state").join(FILE);
        for file in [path.clone(), path.with_extension("db-wal")] {
            let mut bytes = std::fs::read(&file).unwrap();
            bytes.iter_mut().take(8192).for_each(|byte| *byte ^= 0x55);
            std::fs::write(&file, bytes).unwrap();
        }
        let mut cell = cell.again().await;
        assert!(cell.house.log().contains("the database cannot be read"));
        let serial = cell.press_ok().await;
        let said = cell.screen.place(&cell.contact("Ana"), "video", serial).await.map_err(|e| error_name(&e));
        assert_eq!(said.unwrap_err(), "Denied");
        cell.house.kill_arbiter();
        let db = rusqlite::Connection::open(&path).unwrap();
        let row = "SELECT count(*) FROM ledger WHERE event = 'database-set-aside' AND detail LIKE 'as=arbiter.db.unreadable-1 %'";
        assert_eq!(db.query_row(row, [], |r| r.get::<_, i64>(0)).unwrap(), 1);
    });
}
