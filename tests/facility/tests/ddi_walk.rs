//! Random orders and feedbacks at the update server's table of actions: what is over stays over, and only the box's own word ends anything.

mod updates;

use parloir_facility::ddi::rollout::{Action, Artifact, Handling, No, Rollout, State};
use serde_json::json;
use updates::feedback;

/// A small generator (Knuth's MMIX constants): the same walk each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

const EXECUTIONS: [&str; 8] = ["closed", "proceeding", "canceled", "scheduled", "rejected", "resumed", "downloaded", "download"];
const FINISHED: [&str; 3] = ["success", "failure", "none"];

fn artifact() -> Artifact {
    Artifact { path: "b".into(), file: "b".into(), size: 1, sha1: String::new(), md5: String::new(), sha256: String::new() }
}

/// What one word of the box may do to an action.
fn check(before: &Action, after: &Action, cancel: bool, execution: &str, finished: &str, told: Result<State, No>) {
    let active = before.is_active();
    let canceling = matches!(before.state, State::Canceling | State::Canceled);
    match (cancel, told) {
        (false, Err(no)) => assert!((!active && no == No::Gone) || no == No::TooMuch, "{no:?}"),
        (true, Err(no)) => assert!((!canceling && no == No::NotCanceling) || no == No::TooMuch, "{no:?}"),
        (false, Ok(_)) => assert!(active),
        (true, Ok(_)) => assert!(canceling),
    }
    let wanted = match (cancel, told.is_ok(), execution, finished) {
        (_, false, ..) => before.state,
        (true, ..) if before.state == State::Canceled => State::Canceled,
        (false, true, "closed", "failure") => State::Error,
        (false, true, "closed", _) => State::Finished,
        (true, true, "closed", "failure") | (true, true, "rejected", _) => State::Running,
        (true, true, "closed", _) => State::Canceled,
        (_, true, ..) => before.state,
    };
    assert_eq!(after.state, wanted, "{:?} after {execution}/{finished}, cancel {cancel}", before.state);
    assert!(active || after.state == before.state, "over is over");
    assert_eq!(after.said.len(), before.said.len() + usize::from(told.is_ok()), "what is taken is kept, what is refused is not");
}

#[test]
fn a_hundred_thousand_orders_and_words_of_a_box() {
    let (mut dice, mut rollout, mut offered) = (Dice(7), Rollout::default(), 0);
    for _ in 0..100_000 {
        let id = dice.below(offered + 2);
        let before = rollout.action(id).cloned();
        match dice.below(6) {
            0 if offered < 200 => {
                offered += 1;
                assert_eq!(rollout.offer("1".into(), Handling::Forced, None, artifact()), offered);
                let taken_back = rollout.actions().iter().filter(|a| a.id != offered && a.is_active());
                assert!(taken_back.clone().all(|a| a.state == State::Canceling), "one thing at a time");
            }
            1 => {
                let told = rollout.cancel(id);
                let may = before.as_ref().is_some_and(|a| matches!(a.state, State::Running | State::Retrieved));
                assert_eq!(told.is_ok(), may);
            }
            2 => assert_eq!(rollout.deployment(id).is_ok(), before.as_ref().is_some_and(|a| !a.is_canceling_or_canceled())),
            at => {
                let (execution, finished) = (EXECUTIONS[dice.below(8) as usize], FINISHED[dice.below(3) as usize]);
                let said = serde_json::from_value(feedback(execution, finished, &[])).unwrap();
                let cancel = at == 3;
                let told = if cancel { rollout.cancel_feedback(id, said) } else { rollout.feedback(id, said) };
                match (&before, rollout.action(id)) {
                    (Some(before), Some(after)) => check(before, after, cancel, execution, finished, told),
                    _ => assert_eq!(told, Err(No::NotFound)),
                }
            }
        }
        let open = rollout.open().map(|a| a.id);
        assert_eq!(open, rollout.actions().iter().find(|a| a.is_active()).map(|a| a.id), "the oldest that is open");
        assert!(rollout.installed().is_none_or(|a| !a.said.is_empty()), "installed is the box's own word");
    }
    let kept: Rollout = serde_json::from_value(json!(rollout)).unwrap();
    assert_eq!(json!(kept), json!(rollout), "what is written down is read again");
    assert!(offered == 200 && rollout.actions().iter().any(|a| a.state == State::Finished));
}
