//! Owns: the views that the tests show: one for each screen and for what is hard to fit.
//! Never: a real clock; a made-up word of the product.
//! Called by: the tests beside it.
#![allow(dead_code, reason = "each test uses a part")]

pub mod theatre;

use parloir_bus::view::{Booking, Call, Contact, Outcome, Phase, View};

/// Tuesday 24 November 2026, 17:20 UTC, 18:20 in the zone of these views.
pub const WALL: i64 = 1_795_540_800;
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3600;

pub fn contact(id: &str, name: &str, media: &str) -> Contact {
    Contact {
        id: id.into(),
        name: name.into(),
        class: "family".into(),
        media: media.into(),
        can_call: true,
        window_from: WALL - HOUR,
        window_to: WALL + HOUR,
        ..Contact::default()
    }
}

pub fn not_now(mut contact: Contact, code: &str, in_s: i64) -> Contact {
    contact.can_call = false;
    contact.why_not = code.into();
    contact.window_from = WALL + in_s;
    contact.window_to = WALL + in_s + 2 * HOUR;
    contact
}

/// Home with five people of all kinds.
pub fn home() -> View {
    let private = Contact { class: "lawyer".into(), ..contact("e5", "Lawyer Silva", "video") };
    View {
        revision: 1,
        phase: Phase::Home,
        person: "João".into(),
        language: "en".into(),
        online: true,
        clock_trusted: true,
        zone_minutes: 60,
        contacts: vec![
            contact("a1", "Ana and Mateo", "video"),
            contact("b2", "Mother", "voice"),
            not_now(contact("c3", "Rui", "video"), "OutsideWindow", 40 * MINUTE),
            not_now(contact("d4", "Dr Keller", "video"), "OutsideWindow", 40 * HOUR),
            private,
        ],
        next_visit: Some(Booking { contact: "a1".into(), from: WALL + 10 * MINUTE, to: WALL + 40 * MINUTE }),
        ..View::default()
    }
}

pub fn call() -> Call {
    Call {
        id: "0a".into(),
        contact: "a1".into(),
        name: "Ana and Mateo".into(),
        class: "family".into(),
        seconds_left: 18 * 60,
        seconds_counted: 12 * 60,
        camera: true,
        microphone: true,
        network: "good".into(),
        ..Call::default()
    }
}

pub fn in_call(phase: Phase, call: Call) -> View {
    View { phase, call: Some(call), ..home() }
}

pub fn refused(code: &str) -> View {
    let outcome =
        Outcome { contact: "b2".into(), name: "Mother".into(), code: code.into(), camera_shut: true, ..Outcome::default() };
    View { phase: Phase::Refused, outcome: Some(outcome), ..home() }
}

pub fn outside_window() -> View {
    let outcome = Outcome {
        contact: "c3".into(),
        name: "Rui".into(),
        code: "OutsideWindow".into(),
        next_from: WALL + 40 * MINUTE,
        next_to: WALL + 160 * MINUTE,
        rule: "contact-hours".into(),
        ..Outcome::default()
    };
    View { phase: Phase::Refused, outcome: Some(outcome), ..home() }
}

pub fn ended(code: &str) -> View {
    let outcome = Outcome {
        contact: "a1".into(),
        name: "Ana and Mateo".into(),
        code: code.into(),
        seconds_counted: 28 * 60 + 12,
        seconds_lost: 100,
        camera_shut: true,
        both_sides: true,
        receipt: "77".into(),
        ..Outcome::default()
    };
    View { phase: Phase::Ended, outcome: Some(outcome), ..home() }
}

/// Names and words as long as a policy may make them.
pub fn long_names() -> View {
    let mut view = home();
    let long = [
        "Grandmother Maria da Conceição",
        "Bartholomäus Großkreuz-Schneider",
        "Ștefănescu-Brâncoveanu",
        "Ümit",
        "Anne-Charlotte O’Shaughnessy",
    ];
    for (contact, name) in view.contacts.iter_mut().zip(long) {
        contact.name = name.into();
    }
    view.contacts[1].why_not = "Denied".into();
    view.contacts[1].can_call = false;
    view.person = "Maximilian-Alexander".into();
    view
}

pub fn starting() -> View {
    View { phase: Phase::Starting, online: true, ..View::default() }
}

const LONG: &str = "Bartholomäus Großkreuz-Schneider";

/// Every picture: name and view.
pub fn all() -> Vec<(&'static str, View)> {
    let mut two_pages = home();
    two_pages.contacts.push(contact("f6", "Sister Inês", "video"));
    two_pages.contacts.push(contact("g7", "Uncle Tomás", "voice"));
    let offline_contact = |c: Contact| not_now(c, "Offline", -60);
    let offline = View { online: false, contacts: home().contacts.into_iter().map(offline_contact).collect(), ..home() };
    let muted = Call {
        camera: false,
        microphone: false,
        recorded_by: "the prison".into(),
        network: "poor".into(),
        seconds_left: 290,
        ..call()
    };
    let last_minute = Call { seconds_left: 55, watched_by: "a member of staff".into(), network: "fair".into(), ..call() };
    let mut no_answer = refused("NoAnswer");
    if let Some(o) = &mut no_answer.outcome {
        o.rule = "freshness".into();
    }
    let mut staff = ended("Revoked");
    if let Some(o) = &mut staff.outcome {
        o.staff_words = "fire drill".into();
        o.seconds_lost = 0;
        o.both_sides = false;
        o.recorded_by = "the prison".into();
    }
    let mut running = home();
    running.next_visit = Some(Booking { contact: "a1".into(), from: WALL - 60, to: WALL + 29 * MINUTE });
    let long_call = Call { name: LONG.into(), recorded_by: "the prison".into(), ..call() };
    let mut long_ended = ended("VisitorLeft");
    let mut long_refused = outside_window();
    for outcome in [&mut long_ended.outcome, &mut long_refused.outcome].into_iter().flatten() {
        outcome.name = LONG.into();
    }
    let mut long_pages = long_names();
    long_pages.contacts.push(contact("f6", "Sister Inês", "video"));
    vec![
        ("home-long-names-two-pages", long_pages),
        ("asking-long-name", in_call(Phase::Asking, long_call.clone())),
        ("joining-long-name", in_call(Phase::Joining, long_call.clone())),
        ("live-long-name", in_call(Phase::Live, long_call.clone())),
        ("ended-long-name", long_ended),
        ("refused-long-name", long_refused),
        ("starting", starting()),
        ("starting-offline", View { phase: Phase::Starting, ..View::default() }),
        ("home", home()),
        ("home-two-pages", two_pages),
        ("home-offline", offline),
        ("home-long-names", long_names()),
        ("home-visit-now", running),
        ("home-nobody", View { contacts: vec![], next_visit: None, ..home() }),
        ("home-no-clock", View { clock_trusted: false, next_visit: None, ..home() }),
        ("asking", in_call(Phase::Asking, Call { camera: false, microphone: false, ..call() })),
        ("joining", in_call(Phase::Joining, call())),
        ("live", in_call(Phase::Live, call())),
        ("live-muted-5-minutes", in_call(Phase::Live, muted)),
        ("live-renewal-late", in_call(Phase::Live, Call { renewal_late: true, ..call() })),
        ("live-last-minute", in_call(Phase::Live, last_minute)),
        ("held", in_call(Phase::Held, call())),
        ("closing", in_call(Phase::Closing, Call { camera: false, microphone: false, ..call() })),
        ("ended", ended("PersonEnded")),
        ("ended-by-staff", staff),
        ("refused-hours", outside_window()),
        ("refused-no-answer", no_answer),
        ("refused-unknown-code", refused("SomethingNew")),
    ]
}
