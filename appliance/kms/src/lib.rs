//! Owns: the TV as a place for pictures: which card, connector and mode, two buffers, and who holds the card, by kernel mode setting.
//! Never: a seat, a terminal, a key, a library of the machine's (libdrm, udev, libinput); waits for a TV; keeps a picture of its own.
//! Called by: ui (its screens), still (its one picture).
//!
//! The kernel lets one process at a time set modes: the master of the card. Who opens a card that has none becomes it, and who was it
//! may become it again; nobody here needs a capability. What a process shows goes dark when it ends, unless another has shown
//! something since: that is how the still stands under the screen (docs/adr/0020).

mod card;
mod choice;
mod fit;
mod news;
mod surface;

pub use card::{Card, Output};
pub use choice::{LARGEST, Offer, best};
pub use fit::{Canvas, Rect};
pub use news::News;
pub use surface::Surface;
