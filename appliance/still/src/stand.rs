//! Owns: keeping the picture on the TV: who shows what there, and what is to be done about it.
//! Never: stays the card's master, unless told to: the screen must be able to take over without a gap at any moment.
//! Called by: main, four times a second.

use crate::picture::Picture;
use parloir_kms::{Card, News, Surface};
use std::fmt;
use std::io;
use std::rc::Rc;

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing to show pictures with, and why.
    NoCard(String),
    /// No TV is plugged in.
    NoTv,
    /// The picture stands, on this TV.
    Shown(String),
    /// Another shows something.
    Covered,
    /// It could not be shown, and why; tried again at the next look.
    Trouble(String),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCard(why) => write!(f, "waiting for a graphics card: {why}"),
            Self::NoTv => write!(f, "waiting for the TV"),
            Self::Shown(tv) => write!(f, "the picture stands on {tv}"),
            Self::Covered => write!(f, "under what another shows"),
            Self::Trouble(why) => write!(f, "the picture could not be shown: {why}"),
        }
    }
}

/// The picture and where it stands.
pub struct Stand {
    picture: Picture,
    keep: bool,
    card: Option<Rc<Card>>,
    news: News,
    surface: Option<Surface>,
}

impl Stand {
    /// Of a picture that shows nowhere yet. `keep`: nobody else is to show anything until this ends.
    #[must_use]
    pub fn new(picture: Picture, keep: bool) -> Self {
        Self { picture, keep, card: None, news: News::default(), surface: None }
    }

    /// Looks who shows what, and shows the picture where it belongs.
    pub fn look(&mut self) -> Found {
        let card = match self.card.take().map_or_else(|| Card::open().map(Rc::new), Ok) {
            Ok(card) => card,
            Err(error) => return Found::NoCard(error.to_string()),
        };
        match self.look_at(&card) {
            Ok(found) => {
                self.card = Some(card);
                found
            }
            Err(error) => {
                // A card that was another's when it was opened is never ours: it is opened anew.
                self.surface = None;
                Found::Trouble(error.to_string())
            }
        }
    }

    fn look_at(&mut self, card: &Rc<Card>) -> io::Result<Found> {
        let news = self.news.any();
        if let (Some(surface), false) = (&self.surface, news)
            && surface.is_seen() == Some(true)
            && card.output(false)?.is_some_and(|known| surface.output().is_as(&known))
        {
            return Ok(Found::Shown(surface.output().name()));
        }
        if let Err(error) = card.take() {
            if error.kind() != io::ErrorKind::ResourceBusy {
                return Err(error);
            }
            // The screen, which is the master as long as it lives. What it has covered is given back: it is soon made again.
            self.surface = self.surface.take().filter(|s| s.is_seen() == Some(true));
            return Ok(Found::Covered);
        }
        let shown = self.show(card);
        if !self.keep {
            card.leave();
        }
        shown
    }

    /// As the master: nobody else shows anything that is to stay.
    fn show(&mut self, card: &Rc<Card>) -> io::Result<Found> {
        let Some(output) = card.output(true)? else {
            self.surface = None;
            return Ok(Found::NoTv);
        };
        let name = output.name();
        if self.surface.as_ref().is_some_and(|s| s.output().is_as(&output) && s.is_seen() == Some(true)) {
            return Ok(Found::Shown(name));
        }
        let mut new = Surface::new(card.clone(), output)?;
        let canvas = new.canvas();
        new.put(&self.picture.scaled(canvas.width, canvas.height), &[canvas.whole()])?;
        // The old one goes after the new one stands.
        self.surface = Some(new);
        Ok(Found::Shown(name))
    }
}
