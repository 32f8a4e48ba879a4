//! Owns: a cell brought into each state of the call, as a person, a visitor and the facility would bring it there.
//! Never: a state that the screen does not show.
//! Called by: restarts, stops.

use crate::cell::{Asked, Cell};
use crate::facility;
use parloir_bus::view::Phase;
use parloir_pass::{Grant, Id};
use parloir_shell::BootTime;
use parloir_wire::lease::Fact;

/// The states of the machine `Call` are the core's own: one that is added there is tried here.
pub use parloir_core::call::Kind as At;

/// What the screen shows.
pub const fn phase(at: At) -> Phase {
    match at {
        At::Idle => Phase::Home,
        At::Ringing => Phase::Ringing,
        At::Asking => Phase::Asking,
        At::Joining => Phase::Joining,
        At::Live => Phase::Live,
        At::Held => Phase::Held,
        At::Closing => Phase::Closing,
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
    cell.phase(phase(at)).await;
    here
}
