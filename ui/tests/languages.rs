//! Owns: that every screen fits and is translated in every language and in the pseudo-locale: nothing cut, covered, out of its box
//! or of the overscan margin, and in pseudo no word that did not go through translation.
//! Never: judges the translation; beauty.
//! Called by: cargo test --features bench (the pseudo-locale is in no image).
#![cfg(feature = "bench")]

mod common;
#[path = "common/eyes.rs"]
mod eyes;

use common::theatre::Theatre;
use eyes::{Place, Sight, look};
use parloir_bus::view::View;
use parloir_ui::present::initials;

/// 1280x720 less 5 %: 64 and 36.
const SAFE: Place = Place { left: 64.0, top: 36.0, right: 1216.0, bottom: 684.0 };

#[test]
fn every_screen_fits_and_is_translated_in_every_language() {
    let theatre = Theatre::new();
    // A process has one platform, so one test shows screens.
    the_box_is_starting_again_and_who_answered_does_not_call(&theatre);
    let (mut wrong, mut read) = (Vec::new(), 0);
    for tag in parloir_ui::language::LANGUAGES {
        for scene in common::all().into_iter().map(|scene| scene.spoken(tag)) {
            theatre.show(&scene, |_, _| 16);
            let sight = look(&theatre.app);
            read += sight.words.len();
            let mut found = misfits(&sight);
            if *tag == "en-XA" {
                found.extend(sight.words.iter().filter_map(|w| untranslated(&w.text, scene.last())));
            }
            wrong.extend(found.into_iter().map(|what| format!("{}: {what}", scene.name)));
        }
    }
    assert!(read > 1000, "texts were found: {read}");
    assert!(wrong.is_empty(), "{} of {read} texts:\n{}", wrong.len(), wrong.join("\n"));
}

fn misfits(sight: &Sight) -> Vec<String> {
    let mut found = Vec::new();
    for (n, words) in sight.words.iter().enumerate() {
        let text = &words.text;
        found.extend(words.cut.as_ref().map(|how| format!("cut: {text:?} {how}")));
        if !words.letters.within(&SAFE, 0.5) {
            found.push(format!("outside of the margin: {text:?} {:?}", words.letters));
        }
        found.extend(
            words
                .boxes
                .iter()
                .filter(|b| !words.letters.within(b, 0.5))
                .map(|b| format!("out of its box: {text:?} {:?} of {b:?}", words.letters)),
        );
        let others = sight.words.iter().skip(n + 1).filter(|o| o.letters.overlaps(&words.letters, 1.0));
        found.extend(others.map(|o| format!("over another: {text:?} and {:?}", o.text)));
        found.extend(
            sight
                .covers
                .iter()
                .filter(|c| c.hides(words))
                .map(|c| format!("covered: {text:?} {:?} by {:?}", words.letters, c.place)),
        );
    }
    found
}

/// In pseudo every sentence stands in brackets; outside of them may be only what the view says: names, a code, digits.
fn untranslated(text: &str, view: &View) -> Option<String> {
    let mut depth = 0_i32;
    let mut outside = String::new();
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ if depth == 0 => outside.push(c),
            _ => {}
        }
    }
    let said = format!("{view:?}");
    let names = view.contacts.iter().map(|c| c.name.as_str());
    let names = names.chain(view.call.iter().map(|c| c.name.as_str())).chain(view.outcome.iter().map(|o| o.name.as_str()));
    let signs: Vec<String> = names.map(initials).collect();
    let known = |word: &str| said.contains(word) || signs.iter().any(|s| s == word);
    let bare = outside.split(|c: char| !c.is_alphanumeric()).find(|w| w.chars().any(char::is_alphabetic) && !known(w));
    bare.map(|word| format!("not translated: {word:?} in {text:?}"))
}

/// What is said while nobody answers, and how who was called is spoken to.
fn the_box_is_starting_again_and_who_answered_does_not_call(theatre: &Theatre) {
    let said = |name: &str| {
        let scene = common::all().into_iter().find(|s| s.name == name).unwrap();
        theatre.show(&scene, |_, _| 16);
        look(&theatre.app).words.into_iter().map(|w| w.text).collect::<Vec<_>>().join(" | ")
    };
    let again = said("starting-again");
    assert!(again.contains("The box is starting again") && again.contains("Your camera shuts by itself"), "{again}");
    assert!(!again.contains("is shut"), "nobody can say that now: {again}");
    let answered = said("asking-answered");
    assert!(answered.contains("Connecting to Mother") && answered.contains("You answered."), "{answered}");
    assert!(!answered.contains("Calling"), "{answered}");
    let ringing = said("ringing");
    assert!(ringing.contains("The camera is shut until you press Answer."), "{ringing}");
}

#[test]
fn the_eye_sees_what_is_wrong() {
    let view = common::home();
    assert!(untranslated("Call now", &view).is_some());
    assert!(untranslated("[Çáll ñöw~~~~], Ana", &view).is_none());
    assert!(untranslated("[{0}] later", &view).is_some());
    let place = |left: f32, right: f32| Place { left, top: 100.0, right, bottom: 120.0 };
    assert!(!place(60.0, 100.0).within(&SAFE, 0.5) && place(64.0, 100.0).within(&SAFE, 0.5));
    assert!(place(100.0, 200.0).overlaps(&place(190.0, 300.0), 1.0) && !place(100.0, 200.0).overlaps(&place(200.0, 300.0), 1.0));
}
