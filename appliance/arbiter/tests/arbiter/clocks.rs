//! Owns: a system clock that says 1970 or 2100, and what of it anybody can see: nothing.
//! Never: another clock than the system's own calls, answered by a library before them.
//! Called by: cargo test.

use crate::cell::Cell;
use crate::facility;
use crate::house::{House, inside};
use crate::states::{At, bring};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Answers every question about wall time with `PARLOIR_TEST_CLOCK`; the clocks that count durations stay the kernel's.
const LIBRARY: &str = r#"
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static time_t wall(void) { return (time_t)atoll(getenv("PARLOIR_TEST_CLOCK")); }
int clock_gettime(clockid_t id, struct timespec *t) {
  long done = syscall(SYS_clock_gettime, id, t);
  if (id == CLOCK_REALTIME || id == 5) { t->tv_sec = wall(); t->tv_nsec = 0; }
  return (int)done;
}
int gettimeofday(struct timeval *t, void *zone) { (void)zone; t->tv_sec = wall(); t->tv_usec = 0; return 0; }
time_t time(time_t *t) { time_t now = wall(); if (t) *t = now; return now; }
"#;

fn library(house: &House) -> String {
    let (source, made) = (house.dir.join("clock.c"), house.dir.join("clock.so"));
    std::fs::write(&source, LIBRARY).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&made).arg(&source).status();
    assert!(built.expect("cc (package build-essential) runs").success());
    made.to_str().unwrap().to_owned()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// Only the facility's time statement counts: windows, the screen's clock, the receipt, the ledger.
#[test]
fn at_1970_and_2100_the_facilitys_time_is_all_that_counts() {
    inside("clocks::at_1970_and_2100_the_facilitys_time_is_all_that_counts", |mut house| async move {
        house.environment.push(("LD_PRELOAD".to_owned(), library(&house)));
        house.environment.push(("PARLOIR_TEST_CLOCK".to_owned(), "5".to_owned()));
        let mut cell = Cell::ready(house).await;
        for clock in ["5", "4102444800"] {
            cell.house.environment[1].1 = clock.to_owned();
            cell.house.kill_arbiter();
            cell = cell.again().await;
            let offset = cell.view.clock_offset_ms;
            let shown = offset + i64::try_from(parloir_shell::BootTime::now_ns() / 1_000_000).unwrap();
            assert!((shown / 1000).abs_diff(now()) <= 2, "{clock}: the screen's clock is {shown}");
            let here = bring(&mut cell, At::Live).await;
            cell.screen.end().await.unwrap();
            cell.gate.closed(here.lease()).await;
            let last = cell.visitor.says(here.asked().ask.call, 9, false, true);
            cell.courier.deliver("statement", &last).await.unwrap();
            let (number, body) = cell.courier.next_of("receipt").await;
            let receipt = facility::open_receipt(&cell.house.site, &body).0;
            assert!(receipt.wall_start.abs_diff(now()) <= 10, "{clock}: {}", receipt.wall_start);
            cell.courier.proxy.sent(number).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        cell.house.kill_arbiter();
        let db = rusqlite::Connection::open(cell.house.dir.join("state").join(parloir_arbiter::ledger::FILE)).unwrap();
        let wrong = "SELECT count(*) FROM ledger WHERE wall_s <> 0 AND abs(wall_s - ?1) > 60";
        assert_eq!(db.query_row(wrong, [now()], |r| r.get::<_, i64>(0)).unwrap(), 0, "a row by the system's clock");
    });
}
