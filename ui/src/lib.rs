//! Owns: the screen of the box: a fold over what the arbiter says, driven by the keys that it routes.
//! Never: network, camera, policy, the remote itself; a word outside slint/words and the screens.
//! Called by: main, the tests.
//!
//! | Module | Does |
//! | --- | --- |
//! | [`bridge`] | the bus: view and keys in, requests out |
//! | [`present`], [`codes`], [`acts`], [`focus`], [`keys`] | pure: view → what is shown; press → intent |
//! | [`screen`] | holds what is shown and the focus; sets `slint/api.slint` |
//! | [`language`] | which of `ui/lang` is spoken |
//! | [`announce`] | the log: one line for each change, bounded |
//! | [`video`] | the frame channel → images |
//! | [`pictures`] | a screen without a screen: renders into memory and writes PNGs |
//! | [`tv`] | the screen on the TV |
//! | [`stills`] | the pictures that stand while there is no screen |

pub mod acts;
pub mod announce;
#[cfg(feature = "bench")]
pub mod bench;
pub mod bridge;
pub mod codes;
pub mod focus;
pub mod keys;
pub mod language;
pub mod pictures;
pub mod present;
mod queue;
pub mod screen;
pub mod stills;
pub mod tv;
pub mod video;

/// What the Slint compiler made of `slint/app.slint`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction, reason = "generated")]
pub mod shown {
    slint::include_modules!();
}
