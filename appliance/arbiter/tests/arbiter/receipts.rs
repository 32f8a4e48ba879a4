//! Owns: that no receipt is lost or doubled, whenever the arbiter is killed, and however many wait.
//! Never: counts a receipt by anything but its id.
//! Called by: cargo test.

use crate::cell::Cell;
use crate::facility;
use crate::house::{ARBITER, inside};
use crate::states::{At, bring};
use parloir_arbiter::ledger::{Entry, Ledger};
use parloir_pass::Id;
use parloir_shell::BootTime;
use parloir_wire::gate::{FromGate, ShutReason};
use std::collections::BTreeSet;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A tracer that kills the arbiter on its nth `fdatasync`: between what is written before it and what follows.
struct Tracer(Child);

impl Tracer {
    fn attach(pid: u32, nth: usize) -> Self {
        let inject = format!("inject=fsync,fdatasync:signal=KILL:when={nth}");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", &inject, "-o", "/dev/null", "-p", &pid.to_string()]);
        let child = command.stderr(Stdio::null()).spawn().expect("strace (package strace) runs");
        let (start, status) = (Instant::now(), |task: &str| format!("/proc/{pid}/task/{task}/status"));
        let traced = |task: &str| {
            let text = std::fs::read_to_string(status(task)).unwrap_or_default();
            text.lines().any(|l| l.starts_with("TracerPid:") && !l.ends_with("\t0"))
        };
        let tasks = || std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|t| t.unwrap().file_name());
        while !tasks().all(|task| traced(&task.to_string_lossy())) {
            assert!(start.elapsed() < Duration::from_secs(5), "strace does not attach (see sysctl kernel.yama.ptrace_scope)");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(child)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        // SIGTERM has it let go of the arbiter; after SIGKILL the arbiter would stay stopped.
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// Receipts until it is quiet or the arbiter is gone, acknowledged where it still takes that.
async fn collect(cell: &mut Cell, sealed: &mut BTreeSet<(Id, String)>) {
    while let Ok((number, kind, body)) = tokio::time::timeout(Duration::from_millis(500), cell.courier.next()).await {
        if kind == "receipt" {
            let receipt = facility::open_receipt(&cell.house.site, &body).0;
            sealed.insert((receipt.receipt, receipt.reason));
        }
        let _ = cell.courier.proxy.sent(number).await;
    }
}

/// Killed at each write that reaches the disk between the end of a visit and the acknowledgement of its receipt: one receipt, once made;
/// one that was made is not made again with another reason.
#[test]
fn killed_between_any_two_writes_there_is_one_receipt() {
    inside("receipts::killed_between_any_two_writes_there_is_one_receipt", |house| async {
        let mut cell = Cell::ready(house).await;
        let mut reasons = Vec::new();
        for nth in 1..=6 {
            let here = bring(&mut cell, At::Live).await;
            let tracer = Tracer::attach(cell.house.arbiter_pid(), nth);
            let _ = cell.screen.end().await;
            // Gate shuts when it is asked to, and by itself when the arbiter is gone.
            cell.gate.within(Duration::from_millis(150)).await;
            let lease = here.lease();
            cell.gate.try_send(&FromGate::Shut { lease, reason: ShutReason::Asked, at_ns: BootTime::now_ns(), took_ms: 1 });
            let last = cell.visitor.says(here.asked().ask.call, 9, false, true);
            let _ = cell.courier.deliver("statement", &last).await;
            let mut found = BTreeSet::new();
            collect(&mut cell, &mut found).await;
            let killed = !cell.house.arbiter_lives();
            drop(tracer);
            cell.house.kill_arbiter();
            cell = cell.again().await;
            collect(&mut cell, &mut found).await;
            assert_eq!(found.len(), 1, "killed at write {nth}: {found:?}");
            reasons.push((killed, found.into_iter().next().unwrap().1));
            cell.house.kill_arbiter();
            let left = Ledger::open(&cell.house.dir.join("state")).unwrap();
            assert_eq!((left.open_visits().unwrap(), left.waiting_receipts().unwrap()), (vec![], vec![]), "at write {nth}");
            drop(left);
            cell = cell.again().await;
            cell.screen.dismiss().await.unwrap();
            cell.phase(parloir_bus::view::Phase::Home).await;
        }
        // It was killed at some, lived through the last, and both words were seen: the sweep covered the whole way.
        assert!(reasons[0].0 && !reasons[5].0, "{reasons:?}");
        assert_eq!((reasons[0].1.as_str(), reasons[5].1.as_str()), ("Fault", "PersonEnded"), "{reasons:?}");
    });
}

/// How it was broken: of more than 256 receipts the rest waited for the courier's next `Attach`.
#[test]
fn three_hundred_receipts_all_go_each_once_and_a_question_passes_them() {
    inside("receipts::three_hundred_receipts_all_go_each_once_and_a_question_passes_them", |house| async {
        let state = house.dir.join("state");
        let mut ledger = Ledger::open(&state).unwrap();
        let text = str::to_owned;
        for n in 0..300_u128 {
            let row = Entry { boot: text("b"), at_ns: 1, wall_s: 0, event: text("receipt"), call: text(""), detail: text("") };
            ledger.keep_receipt(&Id(n.to_le_bytes()).to_string(), &n.to_le_bytes(), &row).unwrap();
        }
        drop(ledger);
        for file in std::fs::read_dir(&state).unwrap() {
            chown(file.unwrap().path(), Some(ARBITER), Some(ARBITER)).unwrap();
        }
        let mut cell = Cell::ready(house).await;
        // None of them is acknowledged yet, and the person need not wait for that.
        cell.ask().await;
        let mut bodies = BTreeSet::new();
        while bodies.len() < 300 {
            let (number, kind, body) = cell.courier.next().await;
            assert!(kind != "receipt" || bodies.insert(body), "twice");
            cell.courier.proxy.sent(number).await.unwrap();
        }
        let start = Instant::now();
        while !Ledger::open(&state).unwrap().waiting_receipts().unwrap().is_empty() {
            assert!(start.elapsed() < Duration::from_secs(5), "acknowledged, and still kept");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
}

/// Between the bus and the broker: killed after `Send`, before and after `Sent`.
#[test]
fn killed_around_sent_it_comes_again_until_it_was_acknowledged() {
    inside("receipts::killed_around_sent_it_comes_again_until_it_was_acknowledged", |house| async {
        let mut cell = Cell::ready(house).await;
        let here = bring(&mut cell, At::Live).await;
        cell.screen.end().await.unwrap();
        cell.gate.closed(here.lease()).await;
        let last = cell.visitor.says(here.asked().ask.call, 9, false, true);
        cell.courier.deliver("statement", &last).await.unwrap();
        let (_, first) = cell.courier.next_of("receipt").await;
        for _ in 0..2 {
            cell.house.kill_arbiter();
            cell = cell.again().await;
            assert_eq!(cell.courier.next_of("receipt").await.1, first, "another one, or none");
        }
        cell.house.kill_arbiter();
        cell = cell.again().await;
        let (number, again) = cell.courier.next_of("receipt").await;
        assert_eq!(again, first);
        cell.courier.proxy.sent(number).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        cell.house.kill_arbiter();
        cell = cell.again().await;
        let mut found = BTreeSet::new();
        collect(&mut cell, &mut found).await;
        assert!(found.is_empty(), "{found:?}");
    });
}
