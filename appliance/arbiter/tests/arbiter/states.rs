//! Owns: a cell brought into each state of the call, as a person, a visitor and the facility would bring it there.
//! Never: a state that the screen does not show.
//! Called by: restarts, stops.

use crate::cell::{Asked, Cell};
use crate::facility;
use parloir_bus::view::Phase;
use parloir_pass::{Grant, Id};
use parloir_shell::BootTime;
use parloir_wire::lease::Fact;

/// The states of the machine `Call`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Idle,
    Ringing,
    Asking,
    Joining,
    Live,
    Held,
    Closing,
}

pub const ALL: [At; 7] = [At::Idle, At::Ringing, At::Asking, At::Joining, At::Live, At::Held, At::Closing];

impl At {
    /// Doors are open.
    pub const fn in_visit(self) -> bool {
        matches!(self, Self::Joining | Self::Live | Self::Held)
    }

    /// What the screen shows.
    pub const fn phase(self) -> Phase {
        match self {
            Self::Idle => Phase::Home,
            Self::Ringing => Phase::Ringing,
            Self::Asking => Phase::Asking,
            Self::Joining => Phase::Joining,
            Self::Live => Phase::Live,
            Self::Held => Phase::Held,
            Self::Closing => Phase::Closing,
        }
    }
}

/// What there is in a state.
#[derive(Default)]
pub struct Here {
    pub ring: Option<Id>,
    pub asked: Option<Asked>,
    pub grant: Option<Grant>,
}

impl Here {
    pub fn call(&self) -> &crate::gate::Call {
        &self.asked.as_ref().unwrap().call
    }

    pub fn lease(&self) -> [u8; 16] {
        self.asked.as_ref().unwrap().ask.call.0
    }

    pub fn asked(&self) -> &Asked {
        self.asked.as_ref().unwrap()
    }
}

/// From home to a state.
pub async fn bring(cell: &mut Cell, at: At) -> Here {
    let mut here = Here::default();
    match at {
        At::Idle => return here,
        At::Ringing => {
            let ring = facility::ring(&cell.house.site);
            let body = facility::seal(&cell.house.site, &ring, &cell.house.site.grant);
            cell.courier.deliver("ring", &body).await.unwrap();
            here.ring = Some(ring.ring);
        }
        At::Asking => here.asked = Some(cell.ask().await),
        At::Joining | At::Live | At::Held | At::Closing => {
            let asked = cell.ask().await;
            here.grant = Some(cell.join(&asked).await);
            if at != At::Joining {
                cell.live(&asked).await;
            }
            if at == At::Held {
                asked.call.say(&Fact::Decoding { on: false, at_ns: BootTime::now_ns() });
            }
            if at == At::Closing {
                cell.screen.end().await.unwrap();
            }
            here.asked = Some(asked);
        }
    }
    cell.phase(at.phase()).await;
    here
}
