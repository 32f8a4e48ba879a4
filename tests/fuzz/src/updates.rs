//! Owns: the target of what the updater reads: the update server's answers, RAUC's words, its own files after a cut of the power.
//! Never: a server, a bus.
//! Called by: the fuzzer.
//!
//! Holds: an offer has a hash of 64 hex digits, a size, and a path of our own server; a version that is taken is not older than what runs or was
//! kept; a poll never asks sooner than a second or later than a day; what goes into a report or the journal is one short printable line; a queue
//! keeps its order, its bound and each end.

use crate::bytes::Bytes;
use parloir_updater::code::{Code, Refused, line, of_rauc};
use parloir_updater::ddi::{Base, Cancel, Feedback, Poll, Running, SLEEP, id_in, judge};
use parloir_updater::store::{Before, FailedList, Floor, MAX_QUEUE, Queue, Report};

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.u8() % 6 {
        0 => poll(bytes.0),
        1 => base(bytes.0),
        2 => drop(serde_json::from_slice::<Cancel>(bytes.0).map(|cancel| cancel.stops().len())),
        3 => words(&String::from_utf8_lossy(bytes.0)),
        4 => versions(&String::from_utf8_lossy(bytes.0)),
        _ => files(bytes.0),
    }
}

fn path_is_ours(path: &str) {
    assert!(path.starts_with('/') && path.len() <= 2048 && path.bytes().all(|b| (b'!'..=b'~').contains(&b)), "{path}");
    assert!(!path.contains('#'), "{path}");
}

fn poll(text: &[u8]) {
    let Ok(poll) = serde_json::from_slice::<Poll>(text) else { return };
    assert!((SLEEP.0..=SLEEP.1).contains(&poll.sleep()));
    for path in [poll.deployment(), poll.cancel(), poll.config_data()].into_iter().flatten() {
        path_is_ours(&path);
        assert!(!id_in(&path).contains(['/', '?']));
    }
}

fn base(text: &[u8]) {
    let Ok(base) = serde_json::from_slice::<Base>(text) else { return };
    match base.offer() {
        Ok(offer) => {
            path_is_ours(&offer.path);
            assert!(offer.size > 0 && offer.sha256.len() == 64 && offer.sha256.bytes().all(|b| b.is_ascii_hexdigit()));
            let running = Running { version: "1.0.0".to_owned(), floor: Floor::default() };
            if let Err(refused) = judge(&offer, &running, None) {
                assert!(matches!(refused.code, Code::UpdateOlder | Code::UpdateVersion), "{refused}");
            }
        }
        Err(refused) => assert_eq!(refused.code, Code::UpdateOffer),
    }
}

fn words(text: &str) {
    assert!(Code::ALL.contains(&of_rauc(text)));
    let short = line(text);
    assert!(short.chars().count() <= 300 && !short.chars().any(char::is_control));
    assert_eq!(line(&short), short);
    assert_eq!(Refused::new(Code::UpdateInstall, text).what, short);
}

fn versions(text: &str) {
    let mut parts = text.split('\n').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let (offered, running, floor) = (part(), part(), part());
    let running = Running { version: running, floor: Floor { v: 1, version: floor.clone(), sha256: String::new() } };
    if running.takes(&offered).is_ok() {
        assert!(running.takes(&running.version).is_err(), "what runs is not newer than itself");
        assert!(offered != running.version);
        let again = Running { version: offered, floor: running.floor };
        assert!(again.takes(&running.version).is_err(), "and there is no way back");
    }
}

fn files(text: &[u8]) {
    let _ = serde_json::from_slice::<Before>(text);
    let _ = serde_json::from_slice::<FailedList>(text);
    let Ok(mut queue) = serde_json::from_slice::<Queue>(text) else { return };
    queue.entries.truncate(MAX_QUEUE);
    queue.next = queue.next.min(u64::MAX / 2);
    let ends = |queue: &Queue| queue.entries.iter().filter(|r| r.execution == "closed").count();
    let before = ends(&queue);
    queue.push(Report { action: "fuzz".to_owned(), execution: "proceeding".to_owned(), ..Report::default() });
    assert!(queue.entries.len() <= MAX_QUEUE && ends(&queue) >= before.min(MAX_QUEUE - 1));
    for report in &queue.entries {
        serde_json::to_vec(&Feedback::of(report)).expect("a report is JSON");
    }
}
