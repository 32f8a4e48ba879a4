//! Owns: what present.rs must do, shown on values: no window, no bus, no clock.
use super::{Clock, HUES, hues, initials, month_and_date};
use crate::shown::{Act, Chance, Class, Day, Network, Screen, When};
use parloir_bus::view::{Booking, Call, Contact, Outcome, Phase, View};

/// Tuesday 24 November 2026, 17:20 UTC.
const WALL: i64 = 1_795_540_800;

/// As at `wall`: the box has just started, so that the offset is the time.
fn present(view: &View, wall: i64) -> super::Shown {
    super::present(&View { clock_offset_ms: wall * 1000, ..view.clone() }, 0)
}

#[test]
fn the_clock_is_the_facilitys_and_moves_with_the_time_since_boot() {
    let view = View { clock_offset_ms: WALL * 1000 - 3_600_000, clock_trusted: true, zone_minutes: 60, ..View::default() };
    let at = |boot_ms| super::present(&view, boot_ms).now;
    assert_eq!((at(3_600_000).hour, at(3_600_000).minute), ("18".into(), "20".into()));
    assert_eq!(at(3_660_000).minute, "21");
    assert_eq!(at(3_659_999).minute, "20");
    let extreme = View { clock_offset_ms: i64::MAX, ..view };
    assert!(!super::present(&extreme, i64::MAX).now.hour.is_empty());
}

fn clock(zone_minutes: i64) -> Clock {
    Clock { wall: WALL, zone: zone_minutes * 60, known: true }
}

fn said(when: &When) -> (Day, i32, i32, i32, String, i32) {
    (when.day, when.weekday, when.date, when.month, format!("{}:{}", when.hour, when.minute), when.minutes)
}

#[test]
fn moments_are_named_from_today() {
    let c = clock(60);
    assert_eq!(said(&c.when(WALL)), (Day::Today, 1, 24, 10, "18:20".into(), 0));
    assert_eq!(said(&c.when(WALL + 1)), (Day::Today, 1, 24, 10, "18:20".into(), 1), "a begun minute counts: never told too late");
    assert_eq!(said(&c.when(WALL + 40 * 60)), (Day::Today, 1, 24, 10, "19:00".into(), 40));
    assert_eq!(said(&c.when(WALL + 5 * 3600 + 40 * 60)), (Day::Tomorrow, 2, 25, 10, "00:00".into(), 340));
    assert_eq!(c.when(WALL + 6 * 86_400).day, Day::Weekday);
    assert_eq!(said(&c.when(WALL + 7 * 86_400)), (Day::Date, 1, 1, 11, "18:20".into(), 7 * 1440));
    assert_eq!(c.when(WALL - 86_400).day, Day::Date, "the past has no name");
}

#[test]
fn the_zone_moves_the_day() {
    assert_eq!(said(&clock(7 * 60).when(WALL)).4, "00:20");
    assert_eq!(clock(7 * 60).when(WALL).date, 25);
    assert_eq!(clock(-18 * 60).when(WALL).date, 23);
}

#[test]
fn no_moment_is_told_while_the_clock_is_not_known() {
    let unknown = Clock { known: false, ..clock(60) };
    assert_eq!(unknown.when(WALL), When::default());
}

#[test]
fn extreme_moments_do_not_break_it() {
    for at in [i64::MIN, i64::MAX, 0, -1] {
        let when = clock(60).when(at);
        assert!((0..12).contains(&when.month) && (1..=31).contains(&when.date) && (0..7).contains(&when.weekday), "{at}");
    }
}

#[test]
fn dates_are_the_calendars() {
    // Days since 1970-01-01: leap days, ends of years, a century without and one with a leap day.
    for (day, month, date) in
        [(0, 0, 1), (58, 1, 28), (59, 2, 1), (789, 1, 29), (11_016, 1, 29), (20_453, 11, 31), (47_540, 1, 28), (47_541, 2, 1)]
    {
        assert_eq!(month_and_date(day), (month, date), "day {day}");
    }
}

#[test]
fn initials_are_of_the_first_two_capitals() {
    for (name, letters) in [
        ("Ana", "A"),
        ("Ana and Mateo", "AM"),
        ("mother", "M"),
        ("Maria da Conceição", "MC"),
        ("Dr Keller", "DK"),
        ("Élodie Ørsted Ümit", "ÉØ"),
        ("“Tio” Zé", "TZ"),
        ("ßen", "SS"),
        ("محمد", "م"),
        ("", ""),
        ("…", ""),
    ] {
        assert_eq!(initials(name), letters, "{name}");
    }
}

#[test]
fn colours_stay_and_differ() {
    let ids: Vec<String> = (0..20).map(|n| format!("{n:032x}")).collect();
    let all = hues(ids.iter().map(String::as_str));
    let mut first: Vec<i32> = all[..HUES].to_vec();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), HUES, "the first {HUES} people differ: {all:?}");
    assert!(all.iter().all(|h| (0..8).contains(h)));
    let fewer = hues(ids[..6].iter().map(String::as_str));
    assert_eq!(fewer[..], all[..6], "who comes later takes nobody's colour");
}

fn family(id: &str, can_call: bool, why_not: &str) -> Contact {
    Contact {
        id: id.into(),
        name: "Ana".into(),
        class: "family".into(),
        media: "video".into(),
        can_call,
        why_not: why_not.into(),
        window_from: WALL + 60,
        window_to: WALL + 3600,
    }
}

fn home(contacts: Vec<Contact>) -> View {
    View { phase: Phase::Home, clock_trusted: true, online: true, contacts, ..View::default() }
}

#[test]
fn each_chance_is_said() {
    let lawyer = Contact { class: "lawyer".into(), ..family("2", true, "") };
    let voice = Contact { media: "voice".into(), ..family("3", true, "") };
    let shown = present(
        &home(vec![
            family("1", true, ""),
            lawyer,
            voice,
            family("4", false, "OutsideWindow"),
            family("5", false, "Denied"),
            family("6", false, "New"),
        ]),
        WALL,
    );
    let chances: Vec<Chance> = shown.people.iter().map(|p| p.tile.chance).collect();
    assert_eq!(chances, [Chance::Video, Chance::Private, Chance::Voice, Chance::Later, Chance::No, Chance::No]);
    assert_eq!(shown.people[3].tile.opens.minute, "21");
    assert_eq!(shown.screen, Screen::Home);
}

#[test]
fn the_next_visit_is_shown_until_it_is_over_and_only_with_somebody_on_the_list() {
    let booked = |contact: &str, from: i64, to: i64| {
        let next_visit = Some(Booking { contact: contact.into(), from, to });
        present(&View { next_visit, ..home(vec![family("1", true, "")]) }, WALL).next
    };
    let soon = booked("1", WALL + 600, WALL + 1200);
    assert!(soon.shown && !soon.running && soon.from.minutes == 10);
    let now = booked("1", WALL, WALL + 1200);
    assert!(now.shown && now.running);
    assert!(!booked("1", WALL - 1200, WALL).shown);
    assert!(!booked("9", WALL + 600, WALL + 1200).shown);
}

fn live(phase: Phase, seconds_left: u32) -> super::Shown {
    let call = Some(Call { seconds_left, network: "fair".into(), ..Call::default() });
    present(&View { phase, call, ..home(vec![]) }, WALL)
}

#[test]
fn five_minutes_and_one_are_told_for_half_a_minute() {
    let told: Vec<i32> = [301, 300, 271, 270, 61, 60, 31, 30, 0].into_iter().map(|s| live(Phase::Live, s).call.notice).collect();
    assert_eq!(told, [0, 5, 5, 0, 0, 1, 1, 0, 0]);
    assert_eq!(live(Phase::Held, 300).call.notice, 0, "time that stands still runs out for nobody");
    assert_eq!(live(Phase::Live, u32::MAX).call.seconds_left, i32::MAX);
    assert_eq!(live(Phase::Live, 9).call.network, Network::Fair);
}

#[test]
fn an_outcome_offers_only_what_would_be_asked() {
    let outcome = Some(Outcome { contact: "1".into(), code: "NoAnswer".into(), next_from: WALL + 60, ..Outcome::default() });
    let shown = |can: bool, clock_trusted: bool| {
        let view = View { phase: Phase::Refused, outcome: outcome.clone(), ..home(vec![family("1", can, "Offline")]) };
        present(&View { clock_trusted, ..view }, WALL).outcome
    };
    assert!(shown(true, true).possible && shown(true, true).opens);
    assert!(!shown(false, true).possible);
    assert!(!shown(true, false).opens, "no moment without a clock");
}

#[test]
fn a_ring_says_who_and_how_and_offers_what_the_caller_wants() {
    let ring = |media: &str| {
        let call = Call {
            id: "5e".into(),
            class: "lawyer".into(),
            media: media.into(),
            price: "2 €".into(),
            incoming: true,
            ..Call::default()
        };
        present(&View { phase: Phase::Ringing, call: Some(call), ..home(vec![]) }, WALL)
    };
    let (video, voice) = (ring("video"), ring("voice"));
    assert_eq!((video.screen, video.call_id.as_str(), video.call.class), (Screen::Ringing, "5e", Class::Lawyer));
    assert!(video.call.incoming && !video.call.sound_only && voice.call.sound_only);
    assert_eq!(video.choices, [Act::Answer, Act::AnswerVoice, Act::Decline]);
    assert_eq!(voice.choices, [Act::AnswerVoice, Act::Decline]);
    assert_eq!(video.call.price, "2 €");
}

#[test]
fn a_missed_call_can_be_called_back_when_that_is_possible() {
    let missed = |can: bool| {
        let outcome = Some(Outcome { contact: "1".into(), code: "RingMissed".into(), ..Outcome::default() });
        present(&View { phase: Phase::Refused, outcome, ..home(vec![family("1", can, "Offline")]) }, WALL).choices
    };
    assert_eq!(missed(true), [Act::CallBack, Act::Back]);
    assert_eq!(missed(false), [Act::Back]);
}

#[test]
fn every_phase_has_its_screen() {
    let phases = [
        Phase::Starting,
        Phase::Home,
        Phase::Ringing,
        Phase::Asking,
        Phase::Joining,
        Phase::Live,
        Phase::Held,
        Phase::Closing,
        Phase::Ended,
        Phase::Refused,
    ];
    let names: Vec<&str> =
        phases.map(|phase| crate::announce::phase_name(present(&View { phase, ..View::default() }, WALL).screen)).to_vec();
    assert_eq!(names, ["starting", "home", "ringing", "asking", "joining", "live", "held", "closing", "ended", "refused"]);
}

#[test]
fn a_short_code_is_read_three_and_three_and_nothing_else_is_one() {
    for (code, shown) in [("017259", "017 259"), ("", ""), ("12345", ""), ("1234567", ""), ("12345x", ""), ("١٢٣", "")] {
        assert_eq!(super::spoken(code), shown, "{code}");
    }
}
