//! Owns: the sentences: plurals and days; for every code in every language what happened, why and what is possible next
//! (`lang/sentences.md`, reviewed); no system word, nothing too long, nothing missing.
//! Never: a screen; tests/pictures.rs shows them. `UPDATE=1` writes the reviewed list anew.
//! Called by: cargo test.

use parloir_ui::acts;
use parloir_ui::codes::{CAUSES, ENDINGS};
use parloir_ui::language::{LANGUAGES, speak};
use parloir_ui::pictures::{Canvas, Headless};
use parloir_ui::shown::{Act, App, Cause, Causes, Chance, Day, Endings, Outcome, Person, Steps, Tile, Time, When};
use slint::ComponentHandle as _;
use std::collections::BTreeSet;
use std::fmt::Write as _;

fn when(day: Day) -> When {
    When { day, weekday: 3, date: 26, month: 10, hour: "10".into(), minute: "00".into(), minutes: 90 }
}

const DAYS: [Day; 4] = [Day::Today, Day::Tomorrow, Day::Weekday, Day::Date];

fn english_times(app: &App) {
    let time = app.global::<Time<'_>>();
    let at = DAYS.map(|d| time.invoke_at(when(d)).to_string());
    assert_eq!(at, ["today at 10:00", "tomorrow at 10:00", "Thursday at 10:00", "26 November at 10:00"]);
    let from = DAYS.map(|d| time.invoke_from(when(d)).to_string());
    assert_eq!(from, ["From 10:00", "Tomorrow 10:00", "Thursday 10:00", "26 November"]);
    let starting = DAYS.map(|d| time.invoke_starting(when(d)).to_string());
    assert_eq!(starting, ["from 10:00", "from tomorrow 10:00", "from Thursday 10:00", "from 26 November"]);
    let to = When { hour: "11".into(), minute: "30".into(), ..when(Day::Today) };
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
    let months: BTreeSet<_> = (0..12).map(|n| time.invoke_month(n)).collect();
    let days: BTreeSet<_> = (0..7).map(|n| time.invoke_weekday(n)).collect();
    assert_eq!((months.len(), days.len()), (12, 7));
}

/// As French writes them: no-break spaces, "h" for hours, the first of a month, 0 and 1 in the singular.
fn french_times(app: &App) {
    let time = app.global::<Time<'_>>();
    let plain = |text: slint::SharedString| text.replace('\u{a0}', " ");
    let at = DAYS.map(|d| plain(time.invoke_at(when(d))));
    assert_eq!(at, ["aujourd’hui à 10 h 00", "demain à 10 h 00", "jeudi à 10 h 00", "26 novembre à 10 h 00"]);
    assert_eq!(plain(time.invoke_full_date(When { date: 1, ..when(Day::Today) })), "jeudi 1er novembre");
    assert_eq!(plain(time.invoke_starting(when(Day::Date))), "à partir du 26 novembre");
    let about = [0, 1, 2, 60, 120].map(|s| plain(time.invoke_about(s)));
    assert_eq!(about, ["0 seconde", "1 seconde", "2 secondes", "1 minute", "2 minutes"]);
    assert!(time.invoke_clock(when(Day::Today)).contains('\u{a0}'), "a time does not break at the end of a line");
    let causes = app.global::<Causes<'_>>();
    let open = Outcome { cause: Cause::Hours, opens: true, person: person(), from: when(Day::Tomorrow), ..Outcome::default() };
    assert_eq!(plain(causes.invoke_title(open)), "Vous pouvez appeler Rui à partir de demain 10 h 00");
}

fn person() -> Person {
    Person { name: "Rui".into(), ..Person::default() }
}

/// Words that nobody in a cell should have to know.
const SYSTEM_WORDS: [&str; 20] = [
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
    "erreur",
    "serveur",
    "certificat",
    "jeton",
    "échec",
    "refusé",
    "invalide",
    "terminée",
];

fn plain(sentence: &str) {
    let lower = sentence.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphabetic());
    assert!(!words.any(|word| SYSTEM_WORDS.iter().any(|w| word.starts_with(w))), "a system word in: {sentence}");
    assert!(sentence.split_whitespace().count() <= 14, "too long: {sentence}");
}

/// What the screen of a code says: title, why, what is possible when it is and when it is not.
fn refusal(app: &App, cause: Cause) -> [String; 4] {
    let (causes, steps) = (app.global::<Causes<'_>>(), app.global::<Steps<'_>>());
    let outcome = |possible| Outcome { person: person(), cause, possible, ..Outcome::default() };
    [
        causes.invoke_title(outcome(true)),
        causes.invoke_more(outcome(true)),
        steps.invoke_after_refusal(outcome(true)),
        steps.invoke_after_refusal(outcome(false)),
    ]
    .map(|s| s.to_string())
}

fn end(app: &App, ending: parloir_ui::shown::Ending) -> [String; 4] {
    let (endings, steps) = (app.global::<Endings<'_>>(), app.global::<Steps<'_>>());
    let outcome = |possible| Outcome { person: person(), ending, possible, ..Outcome::default() };
    [
        endings.invoke_why(outcome(true)),
        endings.invoke_title(Outcome { seconds_counted: 90, ..outcome(true) }),
        steps.invoke_after_end(outcome(true)),
        steps.invoke_after_end(outcome(false)),
    ]
    .map(|s| s.to_string())
}

fn choices(app: &App, acts: &[Act]) -> String {
    let steps = app.global::<Steps<'_>>();
    acts.iter().map(|a| steps.invoke_act(*a).to_string()).collect::<Vec<_>>().join(" · ")
}

/// One row for each code: what it says and what can be pressed, where a call is possible and where not.
fn rows(app: &App) -> Vec<(&'static str, [String; 4], String)> {
    let offers = |yes: &[Act], no: &[Act]| format!("{} / {}", choices(app, yes), choices(app, no));
    let refusals = CAUSES.iter().map(|(code, cause, offer)| {
        (*code, refusal(app, *cause), offers(&acts::refused(*offer, true, true), &acts::refused(*offer, false, true)))
    });
    let ends = ENDINGS
        .iter()
        .map(|(code, ending, after)| (*code, end(app, *ending), offers(&acts::ended(*after, true), &acts::ended(*after, false))));
    refusals.chain(ends).collect()
}

/// Every code has all its sentences; another language than English says none of them in English but those of legal weight.
fn each_code_says_it(app: &App, tag: &str, english: &[(&str, [String; 4], String)]) {
    for ((code, sentences, choices), (_, ours, _)) in rows(app).iter().zip(english) {
        for (sentence, original) in sentences.iter().zip(ours) {
            assert!(!sentence.trim().is_empty(), "{tag}: {code} says nothing in {sentences:?}");
            let legal = original.contains("recorded") || *code == "GrantRecording";
            assert!(tag == "en" || legal || sentence != original, "{tag}: {code} in English: {sentence}");
            if tag == "en-XA" {
                assert!(sentence.starts_with('[') && sentence.ends_with(']'), "{code}: {sentence}");
            } else {
                plain(sentence);
            }
        }
        assert!(!choices.is_empty(), "{tag}: {code} offers nothing");
    }
}

fn printed(tag: &str, rows: &[(&str, [String; 4], String)]) -> String {
    let mut out = format!(
        "\n## {tag}\n\n| Code | What | Why, or what was counted | Next | Where no call is possible | Choices |\n| --- | --- | --- | --- | --- | --- |\n"
    );
    for (code, [what, why, next, else_next], choices) in rows {
        let _ = writeln!(out, "| `{code}` | {what} | {why} | {next} | {else_next} | {choices} |");
    }
    out
}

fn the_reviewed_list(app: &App) {
    let mut now = String::from(
        "# What the screen says at each end\n\nPrinted by `ui/tests/words.rs` for a person called Rui, and compared. To print it anew: `UPDATE=1 cargo test -p parloir-ui --test words`.\nSentences of legal weight stand in English where no reviewer has signed the translation.\n",
    );
    for tag in LANGUAGES.iter().filter(|t| **t != "en-XA") {
        speak(tag);
        now += &printed(tag, &rows(app));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/lang/sentences.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, now).unwrap();
        return;
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), now, "{path} is not what the screen says: UPDATE=1, then read it");
}

fn the_rest_in_english(app: &App) {
    let (causes, endings) = (app.global::<Causes<'_>>(), app.global::<Endings<'_>>());
    for (_, cause, _) in CAUSES {
        let outcome = Outcome { person: person(), cause: *cause, staff_words: "fire drill".into(), ..Outcome::default() };
        assert_eq!(causes.invoke_more(outcome), "Staff say: “fire drill”");
        let tile = Tile { person: person(), chance: Chance::No, cause: *cause, opens: When::default() };
        assert!(!causes.invoke_note(tile).is_empty());
    }
    let open = Outcome { cause: Cause::Hours, opens: true, person: person(), from: when(Day::Tomorrow), ..Outcome::default() };
    assert_eq!(causes.invoke_title(open), "Rui can be called from tomorrow 10:00");
    assert_eq!(causes.invoke_rule("contact-hours".into()), "Rule: hours for calls, set by the prison");
    assert_eq!(causes.invoke_rule("binding".into()), "");
    let staff = Outcome { ending: parloir_ui::shown::Ending::Staff, staff_words: "fire drill".into(), ..Outcome::default() };
    assert_eq!(endings.invoke_why(staff), "Staff ended the visit: “fire drill”");
    let counted = |seconds_counted| Outcome { seconds_counted, ..Outcome::default() };
    assert_eq!(endings.invoke_title(counted(1692)), "You talked for 28 minutes");
    assert_eq!(endings.invoke_small(counted(0)), "Your visit has ended");
    assert_eq!(endings.invoke_counted(counted(61)), "1 min 1 s counted");
    let open = endings.invoke_camera(Outcome::default());
    assert_eq!(open, "Your camera is shutting", "never said to be shut before gate has said so");
}

#[test]
fn the_words_are_right() {
    slint::platform::set_platform(Box::new(Headless::new(Canvas::new(None).unwrap()))).unwrap();
    let app = App::new().unwrap();
    speak("en");
    english_times(&app);
    the_rest_in_english(&app);
    let english = rows(&app);
    for tag in LANGUAGES {
        speak(tag);
        each_code_says_it(&app, tag, &english);
    }
    speak("fr");
    french_times(&app);
    the_reviewed_list(&app);
}
