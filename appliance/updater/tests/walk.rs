//! Owns: what must hold of every way through the table, looked at on random walks and over all of its cells.
//! Never: a process, a bus, a file.
//! Called by: cargo test.

use parloir_updater::table::{Act, Cause, State, next};
use std::collections::BTreeSet;

/// Chance, the same in every run (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }
}

fn cells() -> impl Iterator<Item = (State, Cause, State, &'static [Act])> {
    State::ALL.iter().flat_map(|state| {
        Cause::ALL.iter().map(|cause| {
            let (to, acts) = next(*state, *cause);
            (*state, *cause, to, acts)
        })
    })
}

#[test]
fn the_other_slot_is_written_and_the_box_restarted_only_under_a_lease() {
    for (state, cause, _, acts) in cells() {
        if acts.contains(&Act::Install) {
            assert_eq!((state, cause), (State::WaitInstall, Cause::LeaseGiven));
            let at = |act| acts.iter().position(|a| *a == act);
            assert!(at(Act::RecordBefore) < at(Act::Install), "what it was like before is written down first");
        }
        if acts.contains(&Act::Restart) {
            let leased = cause == Cause::LeaseGiven && matches!(state, State::WaitRestart | State::Falling);
            assert!(leased || (state, cause) == (State::Falling, Cause::NoArbiter), "{state:?} {cause:?}");
        }
    }
}

/// Without the running slot blessed there is no good one: nothing is fetched, nothing written, until it is or the box has restarted.
#[test]
fn an_unblessed_slot_leads_to_nothing_but_its_blessing_or_a_restart() {
    let trial = [State::Trial, State::Blessing, State::Falling, State::Fallen];
    for (state, cause, to, acts) in cells().filter(|(state, ..)| trial.contains(state)) {
        for never in [Act::Download, Act::Install, Act::Inspect, Act::AskInstall, Act::MarkBack, Act::ReportFailure] {
            assert!(!acts.contains(&never), "{state:?} {cause:?}");
        }
        assert!(trial.contains(&to) || (state, cause) == (State::Blessing, Cause::Marked), "{state:?} {cause:?}");
    }
}

#[test]
fn success_is_said_only_after_the_blessing() {
    for (state, cause, _, acts) in cells().filter(|(.., acts)| acts.contains(&Act::ReportSuccess)) {
        assert!(
            matches!((state, cause), (State::Blessing, Cause::Marked) | (State::Waking, Cause::WokeNew)),
            "{state:?} {cause:?}"
        );
        let at = |act| acts.iter().position(|a| *a == act);
        assert!(at(Act::RaiseFloor) < at(Act::ReportSuccess) && at(Act::ReportSuccess) < at(Act::Forget), "{acts:?}");
    }
}

#[test]
fn a_lease_is_held_only_where_it_is_used() {
    let uses = [State::Installing, State::Restarting, State::Fallen];
    let mut chance = Chance(0x0005_eed5);
    for _ in 0..200 {
        let (mut state, mut held) = (State::Waking, false);
        for _ in 0..500 {
            let cause = Cause::ALL[chance.below(Cause::ALL.len())];
            if cause == Cause::LeaseTaken && !held {
                continue;
            }
            // The shell gives back one that comes when none was asked for.
            if cause == Cause::LeaseGiven && (held || uses.contains(&state)) {
                continue;
            }
            let (to, acts) = next(state, cause);
            held = (held || cause == Cause::LeaseGiven) && cause != Cause::LeaseTaken && !acts.contains(&Act::DropLease);
            assert!(!held || uses.contains(&to), "{state:?} {cause:?} -> {to:?} keeps a lease");
            state = to;
        }
    }
}

/// What the server was told of an update that was taken: it ends, once, and nothing is said of it after its end.
#[test]
fn every_update_that_is_taken_ends_once() {
    let mut chance = Chance(0x0dd5_eed5);
    let mut ended = [0_u32; 3];
    for _ in 0..2000 {
        let (mut state, mut open) = (State::Resting, false);
        for _ in 0..200 {
            let cause = Cause::ALL[chance.below(Cause::ALL.len())];
            let cancel = cause == Cause::Withdrawn;
            let (to, acts) = next(state, cause);
            for act in acts {
                match act {
                    Act::ReportTaken => {
                        assert!(!open);
                        open = true;
                    }
                    Act::ReportDownloaded | Act::ReportWaiting | Act::ReportInstalling | Act::ReportInstalled => assert!(open),
                    Act::ReportFailure => {
                        assert!(std::mem::take(&mut open), "{state:?} {cause:?}");
                        ended[0] += 1;
                    }
                    Act::ConfirmCancel if cancel || state == State::Reverting => ended[1] += u32::from(std::mem::take(&mut open)),
                    Act::RefuseCancel => ended[2] += u32::from(open),
                    _ => {}
                }
            }
            assert_eq!(open, to != State::Resting, "{state:?} {cause:?} -> {to:?}");
            if acts.contains(&Act::Restart) {
                break; // What follows is another boot's.
            }
            state = to;
        }
    }
    assert!(ended.iter().all(|n| *n > 100), "failures, cancels, late cancels: {ended:?}");
}

#[test]
fn there_is_a_way_out_of_every_state() {
    let mut ways: BTreeSet<State> = [State::Resting].into();
    loop {
        let more: Vec<State> =
            cells().filter(|(_, _, to, acts)| ways.contains(to) || acts.contains(&Act::Restart)).map(|c| c.0).collect();
        let before = ways.len();
        ways.extend(more);
        if ways.len() == before {
            break;
        }
    }
    assert_eq!(ways.len(), State::ALL.len(), "{ways:?}");
    // And a way into each, from the start.
    let mut reached: BTreeSet<State> = [State::Waking].into();
    for _ in State::ALL {
        reached.extend(cells().filter(|cell| reached.contains(&cell.0)).map(|cell| cell.2).collect::<Vec<_>>());
    }
    assert_eq!(reached.len(), State::ALL.len(), "{reached:?}");
}
