//! Owns: the pure step from what the arbiter says to what the screen shows: people, moments, the call, the outcome.
//! Never: words (slint/words), a clock (the wall time is an argument), anything that was pressed but has not happened.
//! Called by: screen, the tests.

use crate::acts;
use crate::codes;
use crate::shown::{Act, Call, Cause, Chance, Class, Day, Network, Outcome, Person, Screen, Sign, Tile, Upkeep, Visit, When};
use parloir_bus::view;

/// How many colours `slint/theme.slint` has for people.
pub const HUES: usize = 8;
const MINUTE: i64 = 60;
const DAY: i64 = 24 * 60 * MINUTE;

/// All that the screen shows, but the focus.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// Which screen.
    pub screen: Screen,
    /// The arbiter talks to us.
    pub connected: bool,
    /// The arbiter talked to us once and is gone.
    pub lost: bool,
    /// It takes longer than it should.
    pub slow: bool,
    /// The facility can be reached.
    pub online: bool,
    /// The wall clock may be shown.
    pub clock_known: bool,
    /// The box is being changed.
    pub upkeep: Upkeep,
    /// Why the last update was not used.
    pub update: String,
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
    /// Id of the ring or the call.
    pub call_id: String,
    /// The last call's end.
    pub outcome: Outcome,
    /// What can be chosen, from the left; empty on screens whose choices are people or keys.
    pub choices: Vec<Act>,
    /// The site asks for a code.
    pub shared: bool,
    /// Who can sign in, by tag.
    pub signs: Vec<(u8, Sign)>,
    /// Whose code it is, or for whom it rings.
    pub who: Person,
    /// Digits entered.
    pub dots: i32,
    /// Where the dial begins.
    pub start: i32,
    /// Why the last code did not do.
    pub told: String,
    /// For whose tag it rings.
    pub rings_for: u8,
    /// Somebody calls, whatever screen stands.
    pub rings: bool,
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

/// The facility's wall time, seconds of Unix time, when the box has been up for this long (`CLOCK_BOOTTIME`, milliseconds).
#[must_use]
pub const fn wall(view: &view::View, boot_ms: i64) -> i64 {
    view.clock_offset_ms.saturating_add(boot_ms).div_euclid(1000)
}

/// What to show after `boot_ms` milliseconds of `CLOCK_BOOTTIME`.
#[must_use]
pub fn present(view: &view::View, boot_ms: i64) -> Shown {
    let wall = wall(view, boot_ms);
    let clock = Clock { wall, zone: i64::from(view.zone_minutes) * MINUTE, known: view.clock_trusted };
    let hues = hues(view.contacts.iter().map(|c| c.id.as_str()));
    let hue = |id: &str| view.contacts.iter().position(|c| c.id == id).map_or_else(|| first_hue(id), |i| hues[i]);
    let people: Vec<Entry> = view.contacts.iter().map(|c| entry(c, hue(&c.id), &clock)).collect();
    let (screen, of) = (screen(view.phase), |id: &str| people.iter().find(|p| p.contact == id));
    let choices = choices(view, of);
    let codes = view.sign_in.clone().unwrap_or_default();
    let possible = choices.iter().any(|act| acts::calls(*act));
    Shown {
        screen,
        connected: true,
        lost: false,
        slow: false,
        online: view.online,
        clock_known: view.clock_trusted,
        upkeep: upkeep(&view.maintenance),
        update: view.update.clone(),
        now: clock.when(wall),
        person: view.person.clone(),
        expected: view.next_visit.as_ref().map(|b| b.contact.clone()).unwrap_or_default(),
        next: view.next_visit.as_ref().map(|b| visit(b, view, &hue, &clock)).unwrap_or_default(),
        call: view.call.as_ref().map(|c| call(c, view.phase, hue(&c.contact))).unwrap_or_default(),
        call_id: view.call.as_ref().map(|c| c.id.clone()).unwrap_or_default(),
        outcome: view.outcome.as_ref().map(|o| outcome(o, hue(&o.contact), possible, &clock)).unwrap_or_default(),
        outcome_contact: view.outcome.as_ref().map(|o| o.contact.clone()).unwrap_or_default(),
        choices,
        people,
        shared: view.sign_in.is_some(),
        signs: codes.people.iter().map(|one| (one.tag, occupant(one, boot_ms))).collect(),
        who: sign(if codes.rings_for > 0 && screen == Screen::Ringing { codes.rings_for } else { codes.tag }),
        dots: i32::from(codes.dots),
        start: i32::from(codes.start),
        told: codes.told,
        rings_for: codes.rings_for,
        rings: view.call.is_some(),
    }
}

/// A person by their tag: its number, in a colour of its own.
fn sign(tag: u8) -> Person {
    Person { name: "".into(), initials: tag.to_string().into(), hue: i32::from(tag.saturating_sub(1)) % HUES as i32 }
}

fn occupant(one: &view::Occupant, boot_ms: i64) -> Sign {
    let left_ms = i64::try_from(one.locked_until).unwrap_or(i64::MAX).saturating_sub(boot_ms).max(0);
    Sign { person: sign(one.tag), wait: i32::try_from(left_ms.saturating_add(999) / 1000).unwrap_or(i32::MAX) }
}

fn choices<'a>(view: &view::View, of: impl Fn(&str) -> Option<&'a Entry>) -> Vec<Act> {
    let sound_only = view.call.as_ref().is_some_and(|c| c.media == "voice");
    let outcome = view.outcome.as_ref();
    let entry = outcome.and_then(|o| of(&o.contact)).filter(|e| e.can_call);
    let (possible, video) = (entry.is_some(), entry.is_some_and(|e| e.media != "voice"));
    match (view.phase, outcome) {
        (view::Phase::Ringing, _) if view.sign_in.is_some() && view.person.is_empty() => acts::ringing_for_somebody(),
        (view::Phase::Ringing, _) => acts::ringing(sound_only),
        (view::Phase::Refused, Some(o)) => acts::refused(codes::refusal(&o.code).1, possible, video),
        (view::Phase::Ended, Some(o)) => acts::ended(codes::ending(&o.code).1, possible),
        (view::Phase::Refused, None) => vec![Act::Back],
        (view::Phase::Ended, None) => vec![Act::Done],
        (
            view::Phase::Starting
            | view::Phase::SignIn
            | view::Phase::Code
            | view::Phase::Checking
            | view::Phase::Home
            | view::Phase::Asking
            | view::Phase::Joining
            | view::Phase::Live
            | view::Phase::Held
            | view::Phase::Closing,
            _,
        ) => vec![],
    }
}

fn upkeep(word: &str) -> Upkeep {
    match word {
        "installing" => Upkeep::Installing,
        "restarting" => Upkeep::Restarting,
        _ => Upkeep::None,
    }
}

const fn screen(phase: view::Phase) -> Screen {
    match phase {
        view::Phase::Starting => Screen::Starting,
        view::Phase::SignIn => Screen::SignIn,
        view::Phase::Code => Screen::Code,
        view::Phase::Checking => Screen::Checking,
        view::Phase::Home => Screen::Home,
        view::Phase::Ringing => Screen::Ringing,
        view::Phase::Asking => Screen::Asking,
        view::Phase::Joining => Screen::Joining,
        view::Phase::Live => Screen::Live,
        view::Phase::Held => Screen::Held,
        view::Phase::Closing => Screen::Closing,
        view::Phase::Ended => Screen::Ended,
        view::Phase::Refused => Screen::Refused,
    }
}

fn entry(contact: &view::Contact, hue: i32, clock: &Clock) -> Entry {
    let cause = codes::refusal(&contact.why_not).0;
    let chance = match (contact.can_call, contact.media.as_str()) {
        (true, _) if is_private(class(&contact.class)) => Chance::Private,
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
        class: class(&call.class),
        incoming: call.incoming,
        sound_only: call.media == "voice",
        camera: call.camera,
        microphone: call.microphone,
        price: call.price.as_str().into(),
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
        code: spoken(&call.code).into(),
    }
}

/// Whether nobody but the two may hear a call of this class, or have seen what stands on its screen (requirements section 2).
#[must_use]
pub const fn is_private(class: Class) -> bool {
    matches!(class, Class::Lawyer | Class::Health | Class::Oversight | Class::Helpline | Class::Lesson)
}

/// A short code as it is read aloud, three digits and three; what is no code is shown as none.
fn spoken(code: &str) -> String {
    let digits = code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit());
    if digits { format!("{} {}", &code[..3], &code[3..]) } else { String::new() }
}

fn class(name: &str) -> Class {
    match name {
        "family" => Class::Family,
        "parent-child" => Class::ParentChild,
        "lawyer" => Class::Lawyer,
        "court" => Class::Court,
        "health" => Class::Health,
        "oversight" => Class::Oversight,
        "helpline" => Class::Helpline,
        "authority" => Class::Authority,
        "probation" => Class::Probation,
        "lesson" => Class::Lesson,
        _ => Class::Other,
    }
}

fn outcome(outcome: &view::Outcome, hue: i32, possible: bool, clock: &Clock) -> Outcome {
    Outcome {
        person: person(&outcome.name, hue),
        cause: codes::refusal(&outcome.code).0,
        ending: codes::ending(&outcome.code).0,
        code: outcome.code.as_str().into(),
        staff_words: outcome.staff_words.as_str().into(),
        possible,
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
            hour: format!("{:02}", second / 3600).into(),
            minute: format!("{:02}", second / 60 % 60).into(),
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
