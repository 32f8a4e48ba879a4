//! Owns: what keys.rs must do, shown on values: no window, no bus, no clock.
use super::{Intent, SETTLE_MS, intent};
use crate::focus::{Focus, choices};
use crate::present::{Entry, Shown};
use crate::shown::{Act, Screen, Sign};
use parloir_wire::keys::{Key, KeyPress, Motion};

const SCREENS: [Screen; 13] = [
    Screen::Starting,
    Screen::SignIn,
    Screen::Code,
    Screen::Checking,
    Screen::Home,
    Screen::Ringing,
    Screen::Asking,
    Screen::Joining,
    Screen::Live,
    Screen::Held,
    Screen::Closing,
    Screen::Ended,
    Screen::Refused,
];

fn shown(screen: Screen) -> Shown {
    let entry = |n: usize| Entry { contact: n.to_string(), media: "video".into(), can_call: true, ..Entry::default() };
    let mut shown = Shown { screen, people: (0..7).map(entry).collect(), outcome_contact: "3".into(), ..Shown::default() };
    shown.call.camera = true;
    shown.call_id = "5e".into();
    shown.signs = (1..=3).map(|tag| (tag, Sign::default())).collect();
    shown.choices = match screen {
        Screen::Ringing => vec![Act::Answer, Act::AnswerVoice, Act::Decline],
        Screen::Ended => vec![Act::Done, Act::CallAgain],
        Screen::Refused => vec![Act::Again, Act::Voice, Act::Back],
        _ => vec![],
    };
    shown
}

fn press(key: Key) -> KeyPress {
    KeyPress { serial: 7, key, motion: Motion::Down, at_ns: 0 }
}

fn means(screen: Screen, index: usize, key: Key) -> Intent {
    intent(&shown(screen), Focus { index }, &press(key), Screen::Starting, SETTLE_MS)
}

fn place(contact: &str, dismiss: bool) -> Intent {
    Intent::Place { contact: contact.into(), media: "video".into(), dismiss }
}

fn answer(media: &str) -> Intent {
    Intent::Answer { ring: "5e".into(), media: media.into() }
}

fn decline() -> Intent {
    Intent::Decline { ring: "5e".into() }
}

/// The table in words: every screen, every key that means something there; every other key means nothing.
#[test]
fn the_table() {
    let moved = |index| Intent::Move(Focus { index });
    let table: &[(Screen, usize, Key, Intent)] = &[
        (Screen::SignIn, 1, Key::Left, moved(0)),
        (Screen::SignIn, 1, Key::Right, moved(2)),
        (Screen::SignIn, 1, Key::Ok, Intent::SignIn { tag: 2 }),
        (Screen::Home, 1, Key::Left, moved(0)),
        (Screen::Home, 1, Key::Right, moved(2)),
        (Screen::Home, 1, Key::Ok, place("1", false)),
        (Screen::Ringing, 0, Key::Right, moved(1)),
        (Screen::Ringing, 0, Key::Left, moved(0)),
        (Screen::Ringing, 0, Key::Ok, answer("video")),
        (Screen::Ringing, 0, Key::Back, decline()),
        (Screen::Asking, 0, Key::Ok, Intent::End),
        (Screen::Asking, 0, Key::Back, Intent::End),
        (Screen::Joining, 0, Key::Ok, Intent::End),
        (Screen::Joining, 0, Key::Back, Intent::End),
        (Screen::Live, 0, Key::Ok, Intent::Let { camera: true, microphone: true }),
        (Screen::Live, 0, Key::Up, Intent::Let { camera: false, microphone: false }),
        (Screen::Live, 0, Key::Back, Intent::End),
        (Screen::Held, 0, Key::Ok, Intent::Let { camera: true, microphone: true }),
        (Screen::Held, 0, Key::Up, Intent::Let { camera: false, microphone: false }),
        (Screen::Held, 0, Key::Back, Intent::End),
        (Screen::Ended, 0, Key::Right, moved(1)),
        (Screen::Ended, 0, Key::Left, moved(0)),
        (Screen::Ended, 0, Key::Ok, Intent::Dismiss),
        (Screen::Ended, 0, Key::Back, Intent::Dismiss),
        (Screen::Ended, 0, Key::Home, Intent::Dismiss),
        (Screen::Refused, 0, Key::Right, moved(1)),
        (Screen::Refused, 0, Key::Left, moved(0)),
        (Screen::Refused, 0, Key::Ok, place("3", true)),
        (Screen::Refused, 0, Key::Back, Intent::Dismiss),
        (Screen::Refused, 0, Key::Home, Intent::Dismiss),
    ];
    for screen in SCREENS {
        for key in Key::ALL {
            let row = table.iter().find(|(s, _, k, _)| *s == screen && k == key);
            let expected = row.map_or(Intent::Nothing, |(_, _, _, intent)| intent.clone());
            assert_eq!(means(screen, row.map_or(0, |r| r.1), *key), expected, "{screen:?} {key:?}");
        }
    }
    assert_eq!(means(Screen::Ended, 1, Key::Ok), place("3", true));
    let voice = Intent::Place { contact: "3".into(), media: "voice".into(), dismiss: true };
    assert_eq!(means(Screen::Refused, 1, Key::Ok), voice);
    assert_eq!(means(Screen::Refused, 2, Key::Ok), Intent::Dismiss);
    assert_eq!(means(Screen::Ringing, 1, Key::Ok), answer("voice"));
    assert_eq!(means(Screen::Ringing, 2, Key::Ok), decline());
    let mut sound_only = shown(Screen::Live);
    sound_only.call.sound_only = true;
    let up = intent(&sound_only, Focus::default(), &press(Key::Up), Screen::Joining, SETTLE_MS);
    assert_eq!(up, Intent::Nothing, "no camera to switch where there is no picture");
}

#[test]
fn a_ring_catches_no_press_that_was_meant_for_something_else() {
    for before in SCREENS {
        for key in Key::ALL {
            let soon = intent(&shown(Screen::Ringing), Focus::default(), &press(*key), before, SETTLE_MS - 1);
            assert_eq!(soon, Intent::Nothing, "{before:?} {key:?}");
        }
        let later = intent(&shown(Screen::Ringing), Focus::default(), &press(Key::Ok), before, SETTLE_MS);
        assert_eq!(later, answer("video"), "one press answers");
    }
}

#[test]
fn on_a_shared_tv_back_leaves_and_a_ring_asks_for_the_code_of_whom_it_is_for() {
    let means = |screen, before, since_ms| {
        let mut s = Shown { shared: true, rings_for: 2, ..shown(screen) };
        s.choices = vec![Act::SignIn, Act::Decline];
        let key = if screen == Screen::Ringing { Key::Ok } else { Key::Back };
        intent(&s, Focus::default(), &press(key), before, since_ms)
    };
    assert_eq!(means(Screen::Home, Screen::Checking, SETTLE_MS), Intent::SignOut);
    assert_eq!(means(Screen::Home, Screen::Ended, SETTLE_MS - 1), Intent::Nothing, "the Back that was done does not leave");
    assert_eq!(means(Screen::Checking, Screen::Code, 0), Intent::SignOut);
    assert_eq!(means(Screen::Code, Screen::SignIn, SETTLE_MS), Intent::Nothing, "the arbiter's own");
    assert_eq!(means(Screen::Ringing, Screen::SignIn, SETTLE_MS), Intent::SignIn { tag: 2 });
}

#[test]
fn hanging_up_is_one_press_away_from_the_first_moment() {
    for screen in [Screen::Asking, Screen::Joining, Screen::Live, Screen::Held] {
        for before in SCREENS {
            assert_eq!(intent(&shown(screen), Focus::default(), &press(Key::Back), before, 0), Intent::End, "{screen:?}");
        }
    }
}

#[test]
fn only_a_press_decides_and_only_arrows_repeat() {
    for screen in SCREENS {
        for key in Key::ALL {
            for motion in [Motion::Up, Motion::Repeat] {
                let meant =
                    intent(&shown(screen), Focus { index: 1 }, &KeyPress { motion, ..press(*key) }, Screen::Starting, SETTLE_MS);
                let may_move = motion == Motion::Repeat && matches!(meant, Intent::Move(_));
                assert!(meant == Intent::Nothing || may_move, "{screen:?} {key:?} {motion:?}: {meant:?}");
            }
        }
    }
}

#[test]
fn a_second_press_is_not_taken_for_the_next_screen() {
    let soon = |screen, key| intent(&shown(screen), Focus::default(), &press(key), Screen::Live, SETTLE_MS - 1);
    assert_eq!(soon(Screen::Asking, Key::Ok), Intent::Nothing, "the OK that dialled does not stop");
    assert_eq!(soon(Screen::Home, Key::Ok), Intent::Nothing, "the OK that was done does not dial");
    assert_eq!(soon(Screen::Ended, Key::Back), Intent::Nothing, "the Back that hung up does not hide the receipt");
    assert_eq!(soon(Screen::Refused, Key::Ok), Intent::Nothing);
    assert!(matches!(soon(Screen::Home, Key::Right), Intent::Move(_)));
}

#[test]
fn exactly_one_focus_wherever_there_is_a_choice() {
    for screen in SCREENS {
        let s = shown(screen);
        let (mut focus, all) = (Focus::first(&s), choices(&s));
        assert_eq!(
            all == 0,
            matches!(screen, Screen::Starting | Screen::Closing | Screen::Code | Screen::Checking),
            "{screen:?}"
        );
        for right in [true; 9].into_iter().chain([false; 12]) {
            assert!(focus.index < all.max(1), "{screen:?}");
            focus = focus.moved(&s, right);
        }
        assert_eq!(focus.index, 0);
    }
}

#[test]
fn home_starts_with_the_likeliest_person() {
    let mut s = shown(Screen::Home);
    s.expected = "4".into();
    assert_eq!(Focus::first(&s).index, 4, "whose visit is next");
    s.people[4].can_call = false;
    assert_eq!(Focus::first(&s).index, 0, "else the first who can be called");
    s.people[0].can_call = false;
    assert_eq!(Focus::first(&s).index, 1);
}

#[test]
fn the_focus_stays_on_the_person_when_the_list_changes() {
    let old = shown(Screen::Home);
    let mut new = shown(Screen::Home);
    new.people.remove(0);
    assert_eq!(Focus { index: 3 }.kept(&old, &new), Focus { index: 2 });
    new.people.truncate(1);
    assert_eq!(Focus { index: 6 }.kept(&old, &new), Focus { index: 0 }, "gone: as near as can be");
    assert_eq!(Focus { index: 6 }.place(), (1, 1), "the second page");
    let mut one = shown(Screen::Refused);
    one.choices = vec![Act::Back];
    assert_eq!(Focus { index: 2 }.kept(&shown(Screen::Refused), &one), Focus { index: 0 });
    assert_eq!(Focus { index: 0 }.kept(&one, &shown(Screen::Refused)), Focus { index: 2 }, "Back stays under the thumb");
}
