//! Owns: the pure step from what the arbiter says to what the screen shows: people, moments, the call, the outcome.
//! Never: words (slint/words), a clock (the wall time is an argument), anything that was pressed but has not happened.
//! Called by: screen, the tests.

use crate::codes;
use crate::shown::{Call, Cause, Chance, Day, Network, Outcome, Person, Screen, Tile, Visit, When};
use parloir_bus::view;

/// How many colours `slint/theme.slint` has for people.
pub const HUES: usize = 8;
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;
/// Classes of call that nobody may hear (requirements section 2).
const PRIVATE: &[&str] = &["lawyer", "health", "oversight"];

/// All that the screen shows, but the focus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// Which screen.
    pub screen: Screen,
    /// The arbiter talks to us.
    pub connected: bool,
    /// The facility can be reached.
    pub online: bool,
    /// The wall clock may be shown.
    pub clock_known: bool,
    /// This minute.
    pub now: When,
    /// Who lives here.
    pub person: String,
    /// Everybody on the list, in its order.
    pub people: Vec<Entry>,
    /// Contact id of the next visit, whether or not it is on the list.
    pub expected: String,
    /// The next visit.
    pub next: Visit,
    /// The call.
    pub call: Call,
    /// The last call's end.
    pub outcome: Outcome,
    /// Whom the outcome is about.
    pub outcome_contact: String,
}

/// Somebody on the list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// For `Place`.
    pub contact: String,
    /// For `Place`.
    pub media: String,
    /// Whether `Place` would be asked now.
    pub can_call: bool,
    /// As shown.
    pub tile: Tile,
}

/// What to show. `wall` is in seconds of Unix time.
#[must_use]
pub fn present(view: &view::View, wall: i64) -> Shown {
    let clock = Clock { wall, zone: i64::from(view.zone_minutes) * MINUTE, known: view.clock_trusted };
    let hues = hues(view.contacts.iter().map(|c| c.id.as_str()));
    let hue = |id: &str| view.contacts.iter().position(|c| c.id == id).map_or_else(|| first_hue(id), |i| hues[i]);
    let people: Vec<Entry> = view.contacts.iter().map(|c| entry(c, hue(&c.id), &clock)).collect();
    let can_call = |id: &str| people.iter().any(|p| p.contact == id && p.can_call);
    Shown {
        screen: screen(view.phase),
        connected: true,
        online: view.online,
        clock_known: view.clock_trusted,
        now: clock.when(wall),
        person: view.person.clone(),
        expected: view.next_visit.as_ref().map(|b| b.contact.clone()).unwrap_or_default(),
        next: view.next_visit.as_ref().map(|b| visit(b, view, &hue, &clock)).unwrap_or_default(),
        call: view.call.as_ref().map(|c| call(c, view.phase, hue(&c.contact))).unwrap_or_default(),
        outcome: view.outcome.as_ref().map(|o| outcome(o, hue(&o.contact), can_call(&o.contact), &clock)).unwrap_or_default(),
        outcome_contact: view.outcome.as_ref().map(|o| o.contact.clone()).unwrap_or_default(),
        people,
    }
}

const fn screen(phase: view::Phase) -> Screen {
    match phase {
        view::Phase::Starting => Screen::Starting,
        view::Phase::Home => Screen::Home,
        view::Phase::Ringing | view::Phase::Asking => Screen::Asking,
        view::Phase::Joining => Screen::Joining,
        view::Phase::Live => Screen::Live,
        view::Phase::Held => Screen::Held,
        view::Phase::Closing => Screen::Closing,
        view::Phase::Ended => Screen::Ended,
        view::Phase::Refused => Screen::Refused,
    }
}

fn entry(contact: &view::Contact, hue: i32, clock: &Clock) -> Entry {
    let cause = codes::cause(&contact.why_not);
    let chance = match (contact.can_call, contact.media.as_str()) {
        (true, _) if PRIVATE.contains(&contact.class.as_str()) => Chance::Private,
        (true, "voice") => Chance::Voice,
        (true, _) => Chance::Video,
        (false, _) if cause == Cause::Hours => Chance::Later,
        (false, _) => Chance::No,
    };
    let opens = if contact.window_from > clock.wall { clock.when(contact.window_from) } else { When::default() };
    Entry {
        contact: contact.id.clone(),
        media: contact.media.clone(),
        can_call: contact.can_call,
        tile: Tile { person: person(&contact.name, hue), chance, cause, opens },
    }
}

fn visit(booking: &view::Booking, view: &view::View, hue: &dyn Fn(&str) -> i32, clock: &Clock) -> Visit {
    let Some(contact) = view.contacts.iter().find(|c| c.id == booking.contact) else { return Visit::default() };
    Visit {
        shown: clock.known && clock.wall < booking.to,
        running: booking.from <= clock.wall,
        person: person(&contact.name, hue(&contact.id)),
        from: clock.when(booking.from),
        to: clock.when(booking.to),
    }
}

fn call(call: &view::Call, phase: view::Phase, hue: i32) -> Call {
    // Half a minute each; the last minute's chip counts seconds by itself after that.
    let notice = match (phase, call.seconds_left) {
        (view::Phase::Live, 271..=300) => 5,
        (view::Phase::Live, 31..=60) => 1,
        _ => 0,
    };
    Call {
        person: person(&call.name, hue),
        camera: call.camera,
        microphone: call.microphone,
        recorded_by: call.recorded_by.as_str().into(),
        watched_by: call.watched_by.as_str().into(),
        network: match call.network.as_str() {
            "good" => Network::Good,
            "fair" => Network::Fair,
            "poor" => Network::Poor,
            _ => Network::Unknown,
        },
        seconds_left: whole(call.seconds_left),
        notice,
        renewal_late: call.renewal_late,
    }
}

fn outcome(outcome: &view::Outcome, hue: i32, again: bool, clock: &Clock) -> Outcome {
    Outcome {
        person: person(&outcome.name, hue),
        cause: codes::cause(&outcome.code),
        ending: codes::ending(&outcome.code),
        code: outcome.code.as_str().into(),
        staff_words: outcome.staff_words.as_str().into(),
        again,
        seconds_counted: whole(outcome.seconds_counted),
        seconds_lost: whole(outcome.seconds_lost),
        recorded_by: outcome.recorded_by.as_str().into(),
        camera_shut: outcome.camera_shut,
        both_sides: outcome.both_sides,
        opens: clock.known && outcome.next_from > clock.wall,
        from: clock.when(outcome.next_from),
        to: clock.when(outcome.next_to),
        rule: outcome.rule.as_str().into(),
    }
}

fn whole(seconds: u32) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn person(name: &str, hue: i32) -> Person {
    Person { name: name.into(), initials: initials(name).into(), hue }
}

/// The first letters of the first two words that begin with a capital, else of the first word: "Ana and Mateo" is AM, "mother" M.
#[must_use]
pub fn initials(name: &str) -> String {
    let firsts: Vec<char> = name.split_whitespace().filter_map(|w| w.chars().find(|c| c.is_alphanumeric())).collect();
    let mut capitals: Vec<char> = firsts.iter().copied().filter(|c| !c.is_lowercase()).take(2).collect();
    if capitals.is_empty() {
        capitals.extend(firsts.first());
    }
    capitals.iter().flat_map(|c| c.to_uppercase()).collect()
}

/// FNV-1a of the contact's id, so that a colour does not depend on the list or the name.
fn first_hue(id: &str) -> i32 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    // The low bits of FNV are its weakest.
    i32::try_from((hash >> 32) % HUES as u64).unwrap_or(0)
}

/// A colour for each id: its own, or the next that nobody before it in the list has while there are any.
#[must_use]
pub fn hues<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<i32> {
    let all = i32::try_from(HUES).unwrap_or(1);
    let mut taken: Vec<i32> = Vec::new();
    for id in ids {
        let first = first_hue(id);
        let round = taken.len() / HUES * HUES;
        let free = (0..all).map(|step| (first + step) % all).find(|h| !taken[round..].contains(h));
        taken.push(free.unwrap_or(first));
    }
    taken
}

struct Clock {
    wall: i64,
    zone: i64,
    known: bool,
}

impl Clock {
    /// A moment, Unix seconds, as it is called from now; nothing while the clock is not known.
    fn when(&self, at: i64) -> When {
        if !self.known {
            return When::default();
        }
        let (local, today) = (at.saturating_add(self.zone), (self.wall + self.zone).div_euclid(DAY));
        let ahead = at.saturating_sub(self.wall).clamp(-DAY * 366, DAY * 366);
        let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (month, date) = month_and_date(day);
        When {
            day: match day - today {
                0 => Day::Today,
                1 => Day::Tomorrow,
                2..=6 => Day::Weekday,
                _ => Day::Date,
            },
            // 1 January 1970 was a Thursday.
            weekday: small((day + 3).rem_euclid(7)),
            date,
            month,
            time: format!("{:02}:{:02}", second / 3600, second / 60 % 60).into(),
            // A begun minute counts, so that nobody is told too late.
            minutes: small((ahead.div_euclid(MINUTE)) + i64::from(ahead % MINUTE != 0)),
        }
    }
}

fn small(n: i64) -> i32 {
    i32::try_from(n).unwrap_or(0)
}

/// Month (0 is January) and day of the month of a day since 1 January 1970, in the proleptic Gregorian calendar (ISO 8601).
/// The year is taken to begin in March, so that the leap day is its last.
fn month_and_date(day: i64) -> (i32, i32) {
    const FOUR_CENTURIES: i64 = 146_097;
    let of_era = (day + 719_468).rem_euclid(FOUR_CENTURIES);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (FOUR_CENTURIES - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    (small((march_month + 2) % 12), small(of_year - (153 * march_month + 2) / 5 + 1))
}

#[cfg(test)]
#[path = "present_tests.rs"]
mod tests;
