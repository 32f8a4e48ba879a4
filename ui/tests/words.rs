//! Owns: the sentences that the words in `slint/words` make: plurals, days, each cause and each ending.
//! Never: a screen; tests/pictures.rs shows them.
//! Called by: cargo test.

use parloir_ui::pictures::{Canvas, Headless};
use parloir_ui::shown::{App, Cause, Causes, Chance, Day, Ending, Endings, Outcome, Person, Tile, Time, When};
use slint::ComponentHandle as _;

fn when(day: Day) -> When {
    When { day, weekday: 3, date: 26, month: 10, time: "10:00".into(), minutes: 90 }
}

const DAYS: [Day; 4] = [Day::Today, Day::Tomorrow, Day::Weekday, Day::Date];

fn time_words(app: &App) {
    let time = app.global::<Time<'_>>();
    let at = DAYS.map(|d| time.invoke_at(when(d)).to_string());
    assert_eq!(at, ["today at 10:00", "tomorrow at 10:00", "Thursday at 10:00", "26 November at 10:00"]);
    let from = DAYS.map(|d| time.invoke_from(when(d)).to_string());
    assert_eq!(from, ["From 10:00", "Tomorrow 10:00", "Thursday 10:00", "26 November"]);
    let starting = DAYS.map(|d| time.invoke_starting(when(d)).to_string());
    assert_eq!(starting, ["from 10:00", "from tomorrow 10:00", "from Thursday 10:00", "from 26 November"]);
    let to = When { time: "11:30".into(), ..when(Day::Today) };
    let window = DAYS.map(|d| time.invoke_window(when(d), to.clone()).to_string());
    assert_eq!(
        window,
        ["today, 10:00 to 11:30", "tomorrow, 10:00 to 11:30", "Thursday, 10:00 to 11:30", "26 November, 10:00 to 11:30"]
    );
    assert_eq!(time.invoke_full_date(when(Day::Today)), "Thursday 26 November");
    let ahead = [-5, 0, 1, 2, 59, 60, 89, 90, 719, 720].map(|m| time.invoke_ahead(m).to_string());
    assert_eq!(
        ahead,
        ["now", "now", "in 1 minute", "in 2 minutes", "in 59 minutes", "in 1 hour", "in 1 hour", "in 2 hours", "in 12 hours", ""]
    );
    let about = [1, 59, 60, 119, 120, 1692].map(|s| time.invoke_about(s).to_string());
    assert_eq!(about, ["1 second", "59 seconds", "1 minute", "1 minute", "2 minutes", "28 minutes"]);
    let exact = [0, 59, 60, 61, 1692].map(|s| time.invoke_exact(s).to_string());
    assert_eq!(exact, ["0 s", "59 s", "1 min", "1 min 1 s", "28 min 12 s"]);
    let left = [-1, 0, 60, 61, 119, 120, 1080].map(|s| time.invoke_left(s).to_string());
    assert_eq!(left, ["0 s left", "0 s left", "60 s left", "2 min left", "2 min left", "2 min left", "18 min left"]);
    let months: std::collections::BTreeSet<_> = (0..12).map(|n| time.invoke_month(n)).collect();
    let days: std::collections::BTreeSet<_> = (0..7).map(|n| time.invoke_weekday(n)).collect();
    assert_eq!((months.len(), days.len()), (12, 7));
}

const CAUSES: [Cause; 11] = [
    Cause::Hours,
    Cause::NoAnswer,
    Cause::Declined,
    Cause::NotAllowed,
    Cause::TimeUsed,
    Cause::Offline,
    Cause::Busy,
    Cause::PressAgain,
    Cause::Staff,
    Cause::Safety,
    Cause::Trouble,
];

/// Words that nobody in a cell should have to know.
const SYSTEM_WORDS: [&str; 12] = [
    "grant",
    "lease",
    "session",
    "error",
    "ticket",
    "signature",
    "certificate",
    "server",
    "failed",
    "denied",
    "invalid",
    "terminated",
];

fn plain(sentence: &str) {
    let lower = sentence.to_lowercase();
    assert!(SYSTEM_WORDS.iter().all(|w| !lower.contains(w)), "a system word in: {sentence}");
    assert!(sentence.split_whitespace().count() <= 14, "too long: {sentence}");
}

fn cause_words(app: &App) {
    let words = app.global::<Causes<'_>>();
    let mut titles = std::collections::BTreeSet::new();
    for cause in CAUSES {
        let person = Person { name: "Rui".into(), ..Person::default() };
        let outcome = Outcome { person: person.clone(), cause, from: when(Day::Today), ..Outcome::default() };
        let title = words.invoke_title(outcome.clone());
        let more = words.invoke_more(outcome.clone());
        assert!(!title.is_empty() && !more.is_empty(), "{cause:?}");
        plain(&title);
        plain(&more);
        titles.insert(title);
        assert_eq!(words.invoke_more(Outcome { staff_words: "fire drill".into(), ..outcome }), "Staff say: “fire drill”");
        assert!(!words.invoke_note(Tile { person, chance: Chance::No, cause, opens: When::default() }).is_empty());
    }
    assert_eq!(titles.len(), CAUSES.len(), "each cause has words of its own");
    let open = Outcome { cause: Cause::Hours, opens: true, from: when(Day::Tomorrow), ..Outcome::default() };
    assert_eq!(
        words.invoke_title(Outcome { person: Person { name: "Rui".into(), ..Person::default() }, ..open }),
        "Rui can be called from tomorrow 10:00"
    );
    assert_eq!(words.invoke_rule("contact-hours".into()), "Rule: hours for calls, set by the prison");
    assert_eq!(words.invoke_rule("binding".into()), "");
}

fn ending_words(app: &App) {
    let words = app.global::<Endings<'_>>();
    let all = [Ending::You, Ending::Far, Ending::Time, Ending::Staff, Ending::Picture, Ending::Safety, Ending::Trouble];
    let whys: std::collections::BTreeSet<String> = all
        .iter()
        .map(|ending| {
            let why = words.invoke_why(Outcome { ending: *ending, ..Outcome::default() }).to_string();
            plain(&why);
            why
        })
        .collect();
    assert_eq!(whys.len(), all.len(), "each ending has words of its own: {whys:?}");
    let staff = Outcome { ending: Ending::Staff, staff_words: "fire drill".into(), ..Outcome::default() };
    assert_eq!(words.invoke_why(staff), "Staff ended the visit: “fire drill”");
    let counted = |seconds_counted| Outcome { seconds_counted, ..Outcome::default() };
    assert_eq!(words.invoke_title(counted(1692)), "You talked for 28 minutes");
    assert_eq!(words.invoke_title(counted(0)), "No time was counted");
    assert_eq!(words.invoke_counted(counted(61)), "1 min 1 s counted");
    assert_eq!(
        words.invoke_camera(Outcome::default()),
        "Your camera is shutting",
        "never said to be shut before gate has said so"
    );
}

#[test]
fn the_words_are_right() {
    slint::platform::set_platform(Box::new(Headless::new(Canvas::new(None).unwrap()))).unwrap();
    let app = App::new().unwrap();
    time_words(&app);
    cause_words(&app);
    ending_words(&app);
}
