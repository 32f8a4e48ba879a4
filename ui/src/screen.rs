//! Owns: what is shown now and where the focus is; sets the properties of `slint/api.slint`, and only those that changed.
//! Never: waits, talks to the bus itself (requests go out through a channel), shows what was pressed.
//! Called by: main (in the event loop), the picture tests.

use crate::announce::Announcer;
use crate::bridge::{FromBus, Request};
use crate::focus::{Focus, PER_PAGE};
use crate::keys::{Intent, intent};
use crate::language;
use crate::present::{Shown, is_private, present};
use crate::shown::{Act, Api, App, Screen, Tile};
use crate::video::Mailbox;
use parloir_bus::view::View;
use parloir_shell::BootTime;
use parloir_wire::keys::KeyPress;
use slint::{ComponentHandle as _, ModelRc, VecModel};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// The screen's state, alive in the event loop's thread.
pub struct Stage {
    app: App,
    requests: UnboundedSender<Request>,
    pictures: Arc<Mailbox>,
    view: Option<View>,
    shown: Shown,
    before: Screen,
    since_ns: u64,
    focus: Focus,
    tiles: Vec<Tile>,
    choices: Vec<Act>,
    wanted: Option<Wanted>,
    /// The arbiter was there once.
    met: bool,
    kept: Kept,
    announcer: Announcer,
}

/// What the last `Let` asked for, until the view says so. The next press builds on it and not on what is shown:
/// else two quick presses, mute and camera off, would undo each other.
#[derive(Clone, Copy)]
struct Wanted {
    camera: bool,
    microphone: bool,
    asked_ns: u64,
}

/// What this process may still hold of a private visit, in memory that nobody clears; it goes with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Nothing,
    Pictures,
    /// The visit is over, and another screen stands.
    Over {
        since_ns: u64,
    },
}

impl Kept {
    fn after(self, new: &Shown, now_ns: u64) -> Self {
        match self {
            Self::Nothing | Self::Pictures if pictures_belong(new.screen) && is_private(new.call.class) => Self::Pictures,
            Self::Pictures if !pictures_belong(new.screen) && new.screen != Screen::Closing => Self::Over { since_ns: now_ns },
            Self::Nothing | Self::Pictures | Self::Over { .. } => self,
        }
    }
}

/// For so long the next screen stands before the process ends, so that the TV does not keep the visit's last picture, nanoseconds.
const LAST_LOOK_NS: u64 = 1_000_000_000;
/// A wish that has not come true by now was refused, nanoseconds.
const WISH_NS: u64 = 2_000_000_000;
/// Who waits longer than this for something to show is told whom to ask, nanoseconds.
const SLOW_NS: u64 = 30_000_000_000;

impl Stage {
    /// A stage that shows that everything is being made ready.
    #[must_use]
    pub fn new(app: App, requests: UnboundedSender<Request>, pictures: Arc<Mailbox>) -> Self {
        let mut stage = Self {
            app,
            requests,
            pictures,
            view: None,
            shown: Shown::default(),
            before: Screen::Starting,
            since_ns: BootTime::now_ns(),
            focus: Focus::default(),
            tiles: Vec::new(),
            choices: Vec::new(),
            wanted: None,
            met: false,
            kept: Kept::Nothing,
            announcer: Announcer::default(),
        };
        // Not the machine's own locale: nobody here has set one.
        language::speak("en");
        stage.api().set_tiles(ModelRc::default());
        stage.api().set_choices(ModelRc::default());
        stage.show(Shown::default(), Focus::default());
        stage.announcer.say(Screen::Starting, "", stage.since_ns);
        stage
    }

    /// Takes what came from the bus.
    pub fn take(&mut self, message: FromBus) {
        match message {
            FromBus::View(view) => {
                if self.view.as_ref().is_none_or(|old| old.language != view.language) {
                    language::speak(&view.language);
                }
                self.met = true;
                self.view = Some(*view);
                self.tick(boot_ms());
            }
            FromBus::Gone => {
                self.view = None;
                self.tick(boot_ms());
            }
            FromBus::Key(press) => self.press(&press),
        }
    }

    /// Shows the view as it looks after this time of `CLOCK_BOOTTIME`, milliseconds.
    pub fn tick(&mut self, boot_ms: i64) {
        let now_ns = BootTime::now_ns();
        let mut new = self.view.as_ref().map_or_else(|| self.without_arbiter(), |view| present(view, boot_ms));
        let scene = scene(&new) != scene(&self.shown);
        new.slow = new.screen == Screen::Starting && !scene && now_ns.saturating_sub(self.since_ns) > SLOW_NS;
        self.kept = self.kept.after(&new, now_ns);
        if !new.call.code.is_empty() && new.call.code != self.shown.call.code {
            self.announcer.say_code(new.screen, &new.call.code, now_ns);
        }
        let focus = if scene { Focus::first(&new) } else { self.focus.kept(&self.shown, &new) };
        let came_true = |w: &Wanted| (w.camera, w.microphone) == (new.call.camera, new.call.microphone);
        if scene || self.wanted.as_ref().is_some_and(came_true) {
            self.wanted = None;
        }
        if scene {
            self.before = self.shown.screen;
            self.since_ns = now_ns;
            let has_code = matches!(new.screen, Screen::Ended | Screen::Refused);
            self.announcer.say(new.screen, if has_code { &new.outcome.code } else { "" }, now_ns);
        }
        self.show(new, focus);
    }

    fn without_arbiter(&self) -> Shown {
        Shown { lost: self.met, ..Shown::default() }
    }

    /// True once, when the process is to end, so that a new one begins in its place (design section 2).
    #[must_use]
    pub fn is_spent(&mut self) -> bool {
        let spent = matches!(self.kept, Kept::Over { since_ns } if BootTime::now_ns().saturating_sub(since_ns) >= LAST_LOOK_NS);
        if spent {
            self.kept = Kept::Nothing;
            self.announcer.say_spent();
        }
        spent
    }

    /// Which screen stands.
    #[must_use]
    pub fn screen(&self) -> Screen {
        self.shown.screen
    }

    /// Shows the newest pictures of the mailbox.
    pub fn take_pictures(&self) {
        let (far, own) = self.pictures.take();
        if !pictures_belong(self.shown.screen) {
            // Made just before the visit ended: nobody sees it after.
            return;
        }
        let api = self.api();
        if let Some(far) = far {
            api.set_far(slint::Image::from_rgb8(far));
            api.set_far_shown(true);
        }
        if let Some(own) = own {
            api.set_own(slint::Image::from_rgba8(own));
            api.set_own_shown(true);
        }
    }

    fn press(&mut self, press: &KeyPress) {
        let since_ms = press.at_ns.saturating_sub(self.since_ns) / 1_000_000;
        match intent(&self.wished(press.at_ns), self.focus, press, self.before, since_ms) {
            Intent::Nothing => {}
            Intent::Move(focus) => self.show(self.shown.clone(), focus),
            Intent::Place { contact, media, dismiss } => {
                if dismiss {
                    self.ask(Request::Dismiss);
                }
                self.ask(Request::Place { contact, media, serial: press.serial });
            }
            Intent::Answer { ring, media } => self.ask(Request::Answer { ring, media, serial: press.serial }),
            Intent::Decline { ring } => self.ask(Request::Decline { ring }),
            Intent::End => self.ask(Request::End),
            Intent::Let { camera, microphone } => {
                self.wanted = Some(Wanted { camera, microphone, asked_ns: press.at_ns });
                self.ask(Request::Let { camera, microphone, serial: press.serial });
            }
            Intent::Dismiss => self.ask(Request::Dismiss),
            Intent::SignIn { tag } => self.ask(Request::SignIn { tag, serial: press.serial }),
            Intent::SignOut => self.ask(Request::SignOut),
        }
    }

    /// What is shown, with what was asked for and has not happened yet.
    fn wished(&self, now_ns: u64) -> Shown {
        let mut shown = self.shown.clone();
        if let Some(wanted) = self.wanted.filter(|w| now_ns.saturating_sub(w.asked_ns) < WISH_NS) {
            shown.call.camera = wanted.camera;
            shown.call.microphone = wanted.microphone;
        }
        shown
    }

    fn ask(&self, request: Request) {
        // Without a bus there is nobody to ask; the screen says so already.
        let _ = self.requests.send(request);
    }

    fn api(&self) -> Api<'_> {
        self.app.global::<Api<'_>>()
    }

    fn show(&mut self, new: Shown, focus: Focus) {
        let api = self.api();
        // Signs stand all on one page.
        let (page, place) = if new.screen == Screen::SignIn { (0, focus.index) } else { focus.place() };
        let pages = new.people.len().div_ceil(PER_PAGE).max(1);
        let tiles: Vec<Tile> = new.people.iter().skip(page * PER_PAGE).take(PER_PAGE).map(|p| p.tile.clone()).collect();
        api.set_connected(new.connected);
        api.set_lost(new.lost);
        api.set_slow(new.slow);
        api.set_online(new.online);
        api.set_clock_known(new.clock_known);
        api.set_upkeep(new.upkeep);
        api.set_update(new.update.as_str().into());
        api.set_now(new.now.clone());
        api.set_person(new.person.as_str().into());
        api.set_next(new.next.clone());
        api.set_call(new.call.clone());
        api.set_outcome(new.outcome.clone());
        api.set_shared(new.shared);
        api.set_who(new.who.clone());
        api.set_dots(new.dots);
        api.set_start(new.start);
        api.set_told(new.told.as_str().into());
        api.set_rings(new.rings);
        if new.signs != self.shown.signs || self.view.is_none() {
            let signs: Vec<_> = new.signs.iter().map(|(_, sign)| sign.clone()).collect();
            api.set_signs(ModelRc::new(VecModel::from(signs)));
        }
        api.set_page(i32::try_from(page).unwrap_or(0));
        api.set_pages(i32::try_from(pages).unwrap_or(1));
        api.set_focus(i32::try_from(place).unwrap_or(0));
        if tiles != self.tiles {
            api.set_tiles(ModelRc::new(VecModel::from(tiles.clone())));
        }
        if new.choices != self.choices {
            api.set_choices(ModelRc::new(VecModel::from(new.choices.clone())));
        }
        if !pictures_belong(new.screen) {
            // The last picture of a visit does not outlive it.
            self.pictures.clear();
            api.set_far_shown(false);
            api.set_own_shown(false);
            api.set_far(slint::Image::default());
            api.set_own(slint::Image::default());
        }
        api.set_screen(new.screen);
        self.tiles = tiles;
        self.choices.clone_from(&new.choices);
        self.focus = focus;
        self.shown = new;
    }
}

const fn pictures_belong(screen: Screen) -> bool {
    match screen {
        Screen::Joining | Screen::Live | Screen::Held => true,
        Screen::Starting
        | Screen::SignIn
        | Screen::Code
        | Screen::Checking
        | Screen::Home
        | Screen::Ringing
        | Screen::Asking
        | Screen::Closing
        | Screen::Ended
        | Screen::Refused => false,
    }
}

/// What a press must have been meant for: another screen, another outcome or another ring is another scene.
fn scene(shown: &Shown) -> (Screen, &str, bool) {
    let of = match shown.screen {
        Screen::Ringing => shown.call_id.as_str(),
        Screen::Ended | Screen::Refused => shown.outcome.code.as_str(),
        Screen::Starting
        | Screen::SignIn
        | Screen::Code
        | Screen::Checking
        | Screen::Home
        | Screen::Asking
        | Screen::Joining
        | Screen::Live
        | Screen::Held
        | Screen::Closing => "",
    };
    (shown.screen, of, shown.lost)
}

/// Milliseconds of `CLOCK_BOOTTIME`.
#[must_use]
pub fn boot_ms() -> i64 {
    i64::try_from(BootTime::now_ns() / 1_000_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::Kept;
    use crate::present::Shown;
    use crate::shown::{Call, Class, Screen};

    fn shown(screen: Screen, class: Class) -> Shown {
        Shown { screen, call: Call { class, ..Call::default() }, ..Shown::default() }
    }

    #[test]
    fn only_a_private_visit_leaves_something_and_that_when_its_end_stands() {
        let course = [Screen::Joining, Screen::Live, Screen::Held, Screen::Closing, Screen::Ended, Screen::Home];
        let walk = |class| {
            let mut kept = Kept::Nothing;
            course.map(|screen| {
                kept = kept.after(&shown(screen, class), 7);
                kept
            })
        };
        assert_eq!(walk(Class::Family), [Kept::Nothing; 6]);
        let over = Kept::Over { since_ns: 7 };
        let (p, o) = (Kept::Pictures, over);
        assert_eq!(walk(Class::Lawyer), [p, p, p, p, o, o]);
        assert_eq!(Kept::Pictures.after(&Shown::default(), 7), over, "the arbiter is gone, and the visit with it");
        assert_eq!(Kept::Nothing.after(&shown(Screen::Asking, Class::Lawyer), 7), Kept::Nothing, "nothing was to be seen");
    }
}
