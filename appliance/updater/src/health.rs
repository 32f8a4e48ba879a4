//! Owns: whether the box is as well as it was before an update.
//! Never: asks anybody; knows what a visit is.
//! Called by: run, in a trial.

use serde::{Deserialize, Serialize};

/// Local parts that are missing so long after boot: the trial has failed. A little before parloir-trial-well.timer, which says no reason.
pub const LOCAL_MS: u64 = 225 * 1000;
/// The facility's server answers the connection and no session comes, so long after boot: the trial has failed.
pub const SESSION_MS: u64 = 15 * 60 * 1000;
/// So long an update server that cannot be reached is waited for; then it is an outage, which says nothing about this version.
pub const OUTAGE_MS: u64 = 3 * 60 * 1000;
/// So long the way to the facility (link's) is waited for when the update server is reached.
pub const ONLINE_MS: u64 = 2 * 60 * 1000;

/// What there is now. `Default`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The camera enumerates.
    pub camera: bool,
    /// A screen is attached and has drawn.
    pub drawn: bool,
    /// Gate is connected to the arbiter.
    pub gate: bool,
    /// Link is attached to the arbiter.
    pub courier: bool,
    /// Link has reached the facility in this boot.
    pub online: bool,
    /// The update server has answered in this boot.
    pub facility: bool,
}

/// What came of asking the update server in this boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Facility {
    /// Not asked yet, or there is none.
    #[default]
    Unknown,
    /// It answered.
    Session,
    /// It could not be reached, or said that it is not well itself.
    Outage,
    /// It took the connection, and there was no session.
    NoSession,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not yet.
    Wait,
    /// As well as before; with a note for the report.
    Well(String),
    /// Not: these are missing.
    Sick(String),
}

impl Health {
    /// The parts of the box itself that `before` had and this has not.
    #[must_use]
    pub fn lacks(&self, before: &Self) -> Vec<&'static str> {
        let parts = [
            (before.camera, self.camera, "camera"),
            (before.drawn, self.drawn, "screen"),
            (before.gate, self.gate, "gate"),
            (before.courier, self.courier, "link"),
        ];
        parts.into_iter().filter(|(was, is, _)| *was && !is).map(|(.., name)| name).collect()
    }

    /// Whether everything local that `before` had is here.
    #[must_use]
    pub fn is_whole(&self, before: &Self) -> bool {
        self.lacks(before).is_empty()
    }
}

/// What a slot must have that nobody knows a time before of: a factory's first boot, or an update by hand.
#[must_use]
pub const fn least() -> Health {
    Health { camera: true, drawn: true, gate: true, courier: true, online: false, facility: false }
}

/// Judges a trial that is `up_ms` old. An outage of the facility or of the network on the way to it never makes it fail.
#[must_use]
pub fn judge(before: &Health, now: &Health, facility: Facility, up_ms: u64) -> Verdict {
    let lacks = now.lacks(before);
    if !lacks.is_empty() {
        let late = up_ms >= LOCAL_MS;
        return if late { Verdict::Sick(format!("missing: {}", lacks.join(", "))) } else { Verdict::Wait };
    }
    if !before.facility {
        return Verdict::Well(String::new());
    }
    match facility {
        Facility::Session if before.online && !now.online && up_ms < ONLINE_MS => Verdict::Wait,
        Facility::Session if before.online && !now.online => {
            Verdict::Well("the broker was not reached, as it was before".to_owned())
        }
        Facility::Session => Verdict::Well(String::new()),
        Facility::NoSession if up_ms >= SESSION_MS => {
            Verdict::Sick("the update server takes the connection and gives no session, as it did before".to_owned())
        }
        Facility::Outage if up_ms >= OUTAGE_MS => Verdict::Well("the update server could not be reached".to_owned()),
        Facility::NoSession | Facility::Outage | Facility::Unknown => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::{Facility, Health, LOCAL_MS, ONLINE_MS, OUTAGE_MS, SESSION_MS, Verdict, judge, least};

    const ALL: Health = Health { camera: true, drawn: true, gate: true, courier: true, online: true, facility: true };

    #[test]
    fn what_was_there_before_must_be_there_again_and_what_was_not_need_not() {
        let blind = Health { camera: false, ..ALL };
        assert_eq!(judge(&ALL, &blind, Facility::Session, LOCAL_MS - 1), Verdict::Wait);
        assert_eq!(judge(&ALL, &blind, Facility::Session, LOCAL_MS), Verdict::Sick("missing: camera".to_owned()));
        assert_eq!(judge(&blind, &blind, Facility::Session, 0), Verdict::Well(String::new()), "it had no camera before");
        let nothing = Health::default();
        assert_eq!(
            judge(&ALL, &nothing, Facility::Session, LOCAL_MS),
            Verdict::Sick("missing: camera, screen, gate, link".to_owned())
        );
        assert_eq!(judge(&least(), &ALL, Facility::Unknown, 0), Verdict::Well(String::new()));
    }

    #[test]
    fn an_outage_of_the_network_never_makes_a_trial_fail() {
        for up in [0, OUTAGE_MS, SESSION_MS, 100 * SESSION_MS] {
            let offline = Health { online: false, ..ALL };
            assert!(!matches!(judge(&ALL, &offline, Facility::Outage, up), Verdict::Sick(_)), "{up}");
            assert!(!matches!(judge(&ALL, &offline, Facility::Session, up), Verdict::Sick(_)), "{up}: the broker's own outage");
        }
        assert_eq!(judge(&ALL, &ALL, Facility::Outage, OUTAGE_MS - 1), Verdict::Wait);
        assert!(matches!(judge(&ALL, &ALL, Facility::Outage, OUTAGE_MS), Verdict::Well(note) if !note.is_empty()));
        assert!(matches!(judge(&ALL, &Health { online: false, ..ALL }, Facility::Session, ONLINE_MS), Verdict::Well(_)));
    }

    #[test]
    fn a_server_that_answers_the_connection_and_gives_no_session_makes_it_fail_after_a_quarter_of_an_hour() {
        assert_eq!(judge(&ALL, &ALL, Facility::NoSession, SESSION_MS - 1), Verdict::Wait);
        assert!(matches!(judge(&ALL, &ALL, Facility::NoSession, SESSION_MS), Verdict::Sick(_)));
        let never = Health { facility: false, ..ALL };
        assert!(matches!(judge(&never, &ALL, Facility::NoSession, SESSION_MS), Verdict::Well(_)), "it never came before");
    }
}
