//! Owns: the views that the tests show: one for each screen and for what is hard to fit.
//! Never: a real clock; a made-up word of the product.
//! Called by: the tests beside it.
#![allow(dead_code, reason = "each test uses a part")]

pub mod theatre;

use parloir_bus::view::{Booking, Call, Contact, Occupant, Outcome, Phase, SignIn, View};

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
        clock_offset_ms: WALL * 1000,
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
        media: "video".into(),
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

/// Mother rings; nothing is open.
pub fn ringing() -> View {
    let call = Call {
        id: "5e".into(),
        contact: "b2".into(),
        name: "Mother".into(),
        incoming: true,
        seconds_left: 30 * 60,
        seconds_counted: 0,
        camera: false,
        microphone: false,
        network: "unknown".into(),
        ..call()
    };
    in_call(Phase::Ringing, call)
}

/// With this changed in the call.
pub fn with_call(mut view: View, change: impl FnMut(&mut Call)) -> View {
    view.call.iter_mut().for_each(change);
    view
}

/// With this changed in the outcome.
pub fn with_outcome(mut view: View, change: impl FnMut(&mut Outcome)) -> View {
    view.outcome.iter_mut().for_each(change);
    view
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
        camera_shut: true,
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

/// What a screen is shown, one after the other on the same stage.
#[derive(Clone)]
pub struct Scene {
    pub name: String,
    pub views: Vec<View>,
    /// At last the arbiter goes away.
    pub lost: bool,
}

impl Scene {
    /// The same for a person who speaks this.
    pub fn spoken(&self, tag: &str) -> Self {
        let views = self.views.iter().map(|v| View { language: tag.into(), ..v.clone() }).collect();
        Self { name: format!("{tag}-{}", self.name), views, lost: self.lost }
    }

    /// The view that counts.
    pub fn last(&self) -> &View {
        self.views.last().unwrap()
    }
}

/// Every picture.
pub fn all() -> Vec<Scene> {
    let one = |(name, view): (&str, View)| Scene { name: name.into(), views: vec![view], lost: false };
    let single = [homes(), codes(), rings(), calls(), visits(), ends(), refusals()].into_iter().flatten().map(one);
    let asking = View { phase: Phase::Asking, ..ringing() };
    let more = [
        Scene { name: "starting-again".into(), views: vec![home()], lost: true },
        Scene { name: "asking-answered".into(), views: vec![asking], lost: false },
    ];
    single.chain(more).collect()
}

fn homes() -> Vec<(&'static str, View)> {
    let mut two_pages = home();
    two_pages.contacts.push(contact("f6", "Sister Inês", "video"));
    two_pages.contacts.push(contact("g7", "Uncle Tomás", "voice"));
    let mut long_pages = long_names();
    long_pages.contacts.push(contact("f6", "Sister Inês", "video"));
    let offline_contact = |c: Contact| not_now(c, "Offline", -60);
    let offline = View { online: false, contacts: home().contacts.into_iter().map(offline_contact).collect(), ..home() };
    let running = Booking { contact: "a1".into(), from: WALL - 60, to: WALL + 29 * MINUTE };
    vec![
        ("starting", starting()),
        ("starting-offline", View { phase: Phase::Starting, ..View::default() }),
        ("home", home()),
        ("home-two-pages", two_pages),
        ("home-offline", offline),
        ("home-long-names", long_names()),
        ("home-long-names-two-pages", long_pages),
        ("home-visit-now", View { next_visit: Some(running), ..home() }),
        ("home-nobody", View { contacts: vec![], next_visit: None, ..home() }),
        ("home-no-clock", View { clock_trusted: false, next_visit: None, ..home() }),
        ("home-updating", changing("installing")),
        ("home-starting-again", changing("restarting")),
        ("home-update-refused", View { update: "UpdateSignature".into(), ..home() }),
        ("home-update-refused-long-names", View { update: "UpdateFailedBefore".into(), ..long_names() }),
        ("home-update-refused-no-visit", View { update: "UpdateNotHealthy".into(), next_visit: None, ..home() }),
    ]
}

/// Nobody can be called while the box is being changed.
fn changing(how: &str) -> View {
    let contacts = home().contacts.into_iter().map(|c| not_now(c, "Updating", -60)).collect();
    View { maintenance: how.into(), contacts, ..home() }
}

/// Two people of one cell, and nobody is known.
pub fn shared() -> View {
    let people = (1..=2).map(|tag| Occupant { tag, locked_until: 0 }).collect();
    let sign_in = Some(SignIn { people, ..SignIn::default() });
    let (contacts, next_visit, person) = (vec![], None, String::new());
    View { phase: Phase::SignIn, sign_in, contacts, next_visit, person, ..home() }
}

fn with_code(mut view: View, change: impl Fn(&mut SignIn)) -> View {
    view.sign_in.iter_mut().for_each(change);
    view
}

fn codes() -> Vec<(&'static str, View)> {
    let wrong = |s: &mut SignIn| {
        s.told = "WrongCode".into();
        s.people = (1..=8).map(|tag| Occupant { tag, locked_until: if tag == 2 { 59_000 } else { 0 } }).collect();
    };
    let entering = |s: &mut SignIn| (s.tag, s.dots, s.start) = (2, 3, 7);
    let whole = |s: &mut SignIn| (s.tag, s.dots) = (1, 6);
    let unknown = Call { id: "5e".into(), incoming: true, network: "unknown".into(), ..Call::default() };
    let rings = |view: View| View { call: Some(unknown.clone()), ..view };
    let mut own = home();
    own.sign_in = shared().sign_in;
    vec![
        ("signin", shared()),
        ("signin-wrong-code", with_code(shared(), wrong)),
        ("code", with_code(View { phase: Phase::Code, ..shared() }, entering)),
        ("code-while-it-rings", with_code(rings(View { phase: Phase::Code, ..shared() }), entering)),
        ("checking", with_code(View { phase: Phase::Checking, ..shared() }, whole)),
        ("ringing-for-somebody", with_code(rings(View { phase: Phase::Ringing, ..shared() }), |s| s.rings_for = 2)),
        ("home-shared", own),
    ]
}

fn rings() -> Vec<(&'static str, View)> {
    let recorded = |c: &mut Call| {
        c.recorded_by = "the prison".into();
        c.watched_by = "a member of staff".into();
        c.price = "0.20 € a minute".into();
    };
    let long = |c: &mut Call| {
        c.name = LONG.into();
        c.class = "parent-child".into();
        c.recorded_by = "the prison".into();
    };
    let lawyer = |c: &mut Call| {
        (c.contact, c.name, c.class) = ("e5".into(), "Lawyer Silva".into(), "lawyer".into());
    };
    vec![
        ("ringing", ringing()),
        ("ringing-sound-only", with_call(ringing(), |c| c.media = "voice".into())),
        ("ringing-recorded", with_call(ringing(), recorded)),
        ("ringing-long-name", with_call(ringing(), long)),
        ("ringing-lawyer", with_call(ringing(), lawyer)),
    ]
}

fn shut(c: &mut Call) {
    (c.camera, c.microphone) = (false, false);
}

fn calls() -> Vec<(&'static str, View)> {
    let long = |c: &mut Call| (c.name, c.recorded_by) = (LONG.into(), "the prison".into());
    let voice = |c: &mut Call| (c.camera, c.media) = (false, "voice".into());
    vec![
        ("asking", with_call(in_call(Phase::Asking, call()), shut)),
        ("asking-long-name", with_call(in_call(Phase::Asking, call()), long)),
        ("joining", in_call(Phase::Joining, call())),
        ("joining-long-name", with_call(in_call(Phase::Joining, call()), long)),
        ("joining-sound-only", with_call(in_call(Phase::Joining, call()), voice)),
        ("closing", with_call(in_call(Phase::Closing, call()), shut)),
    ]
}

fn visits() -> Vec<(&'static str, View)> {
    let live = |change: &dyn Fn(&mut Call)| with_call(in_call(Phase::Live, call()), change);
    let muted = |c: &mut Call| {
        shut(c);
        (c.recorded_by, c.network, c.seconds_left) = ("the prison".into(), "poor".into(), 290);
    };
    let last_minute = |c: &mut Call| {
        (c.seconds_left, c.watched_by, c.network) = (55, "a member of staff".into(), "fair".into());
    };
    let long = |c: &mut Call| (c.name, c.recorded_by) = (LONG.into(), "the prison".into());
    let private = |c: &mut Call| {
        (c.contact, c.name, c.class, c.code) = ("e5".into(), "Lawyer Silva".into(), "lawyer".into(), "017259".into());
    };
    vec![
        ("live", live(&|_| ())),
        ("live-long-name", live(&long)),
        ("live-muted-5-minutes", live(&muted)),
        ("live-private", live(&private)),
        (
            "live-private-long-name",
            live(&|c| {
                private(c);
                c.name = LONG.into();
            }),
        ),
        ("live-renewal-late", live(&|c| c.renewal_late = true)),
        ("live-last-minute", live(&last_minute)),
        ("live-sound-only", live(&|c| (c.camera, c.media) = (false, "voice".into()))),
        ("held", in_call(Phase::Held, call())),
        ("held-long-name", with_call(in_call(Phase::Held, call()), long)),
    ]
}

fn ends() -> Vec<(&'static str, View)> {
    let staff = |o: &mut Outcome| {
        (o.staff_words, o.seconds_lost, o.both_sides) = ("fire drill".into(), 0, false);
        o.recorded_by = "the prison".into();
    };
    let nothing = |o: &mut Outcome| (o.seconds_counted, o.seconds_lost, o.both_sides) = (0, 0, false);
    vec![
        ("ended", ended("PersonEnded")),
        ("ended-by-staff", with_outcome(ended("Revoked"), staff)),
        ("ended-long-name", with_outcome(ended("VisitorLeft"), |o| o.name = LONG.into())),
        ("ended-picture-lost", ended("MediaLost")),
        ("ended-never-connected", with_outcome(ended("NeverConnected"), nothing)),
        ("ended-box-restarted", with_outcome(ended("Fault"), |o| o.both_sides = false)),
        ("ended-no-power", with_outcome(ended("PowerLost"), |o| (o.seconds_counted, o.seconds_lost) = (41, 0))),
        ("ended-time-over", ended("SlotOver")),
    ]
}

fn refusals() -> Vec<(&'static str, View)> {
    let long = |o: &mut Outcome| o.name = LONG.into();
    let rule = |key: &'static str| move |o: &mut Outcome| o.rule = key.into();
    let mut offline = refused("Offline");
    offline.online = false;
    offline.contacts.iter_mut().for_each(|c| *c = not_now(c.clone(), "Offline", -60));
    let updating = View { maintenance: "installing".into(), contacts: changing("installing").contacts, ..refused("Updating") };
    vec![
        ("refused-updating-done", refused("Updating")),
        ("refused-hours", outside_window()),
        ("refused-long-name", with_outcome(outside_window(), long)),
        ("refused-no-answer", with_outcome(refused("NoAnswer"), rule("freshness"))),
        ("refused-unknown-code", refused("SomethingNew")),
        ("refused-missed", refused("RingMissed")),
        ("refused-caller-gone", with_outcome(refused("CallerGone"), long)),
        ("refused-offline", offline),
        ("refused-device", with_outcome(refused("NoDevice"), |o| (o.contact, o.name) = ("a1".into(), "Ana and Mateo".into()))),
        ("refused-staff", with_outcome(refused("Denied"), |o| (o.staff_words, o.rule) = ("not today".into(), "deny".into()))),
        ("refused-not-safe", refused("GrantCertificate")),
        ("refused-recording", refused("GrantRecording")),
        ("refused-setup", refused("NoDoorKey")),
        ("refused-updating", updating),
        ("refused-guard", with_outcome(refused("GateAbsent"), |o| o.camera_shut = false)),
    ]
}
