//! Owns: what a signalling adapter is: a state machine between call's messages and some far side's, without IO and without a clock.
//! Never: a socket, a thread, a media key, an SDP of its own making (only call writes SDP).
//! Called by: [`crate::signalling`]; implemented by [`crate::direct`], later by `janus`, `sip`, `pexip`.

use parloir_wire::Refused;
use parloir_wire::signal::Signal;

/// What an adapter wants done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Give this to call.
    ToCall(Signal),
    /// Publish this body as kind `signal`.
    ToFar(Vec<u8>),
}

/// One call's signalling. An error is a message that was dropped, for the log; the adapter goes on.
pub trait Adapter: Send {
    /// Call said this.
    ///
    /// # Errors
    /// Call may not say that on this route, or not now.
    fn from_call(&mut self, signal: Signal) -> Result<Option<Output>, Refused>;
    /// The far side said this.
    ///
    /// # Errors
    /// Malformed, about another call or generation, or not its turn.
    fn from_far(&mut self, body: &[u8]) -> Result<Option<Output>, Refused>;
    /// The call's end here: what the far side is to be told.
    fn close(&mut self) -> Option<Output>;
}

/// The adapter of a route as the arbiter names it; `None` for a route that this build does not know.
#[must_use]
pub fn of_route(route: &str, call: parloir_wire::Id) -> Option<Box<dyn Adapter>> {
    match route {
        "direct" => Some(Box::new(crate::direct::Direct::new(call))),
        _ => None,
    }
}
