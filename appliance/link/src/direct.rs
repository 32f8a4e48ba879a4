//! Owns: the route `direct`: the box offers, the visitor's page answers, candidates trickle (RFC 8838), each tied to its generation.
//! Never: reads or changes an SDP.
//! Called by: [`crate::signalling`].

use crate::adapter::{Adapter, Output};
use crate::message::{read_signal, write_signal};
use parloir_wire::codec::refused;
use parloir_wire::signal::Signal;
use parloir_wire::{Id, Refused};

/// Most candidates of one generation, each way.
pub const MAX_CANDIDATES: u32 = 64;

/// See the module.
pub struct Direct {
    call: Id,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// No offer yet.
    Fresh,
    /// The newest offer, and what it may still see.
    Offered { generation: u32, answered: bool, from_call: u32, from_far: u32 },
    /// Either side said bye.
    Closed,
}

impl Direct {
    /// For one call.
    #[must_use]
    pub const fn new(call: Id) -> Self {
        Self { call, state: State::Fresh }
    }

    fn to_far(&self, signal: &Signal) -> Output {
        Output::ToFar(write_signal(&self.call, signal))
    }
}

impl Adapter for Direct {
    fn from_call(&mut self, signal: Signal) -> Result<Option<Output>, Refused> {
        let out = self.to_far(&signal);
        match (&mut self.state, signal) {
            (State::Closed, _) => Err(refused("signal from call", "after the bye")),
            (State::Offered { generation: now, .. }, Signal::Offer { generation, .. }) if generation <= *now => {
                Err(refused("offer", "generation does not grow"))
            }
            (State::Fresh | State::Offered { .. }, Signal::Offer { generation, .. }) => {
                self.state = State::Offered { generation, answered: false, from_call: 0, from_far: 0 };
                Ok(Some(out))
            }
            (State::Offered { generation: now, from_call, .. }, Signal::Candidate { generation, .. }) if generation == *now => {
                count(from_call)?;
                Ok(Some(out))
            }
            (State::Fresh | State::Offered { .. }, Signal::Candidate { .. }) => {
                Err(refused("candidate from call", "of another generation"))
            }
            (State::Fresh | State::Offered { .. }, Signal::Answer { .. } | Signal::Again { .. }) => {
                Err(refused("signal from call", "the box offers on this route"))
            }
            (State::Fresh | State::Offered { .. }, Signal::Bye { .. }) => {
                self.state = State::Closed;
                Ok(Some(out))
            }
        }
    }

    fn from_far(&mut self, body: &[u8]) -> Result<Option<Output>, Refused> {
        let (call, signal) = read_signal(body)?;
        if call != self.call {
            return Err(refused("signal", "about another call"));
        }
        // To a link that came back while media ran the call has said nothing; a page that starts anew must still be heard.
        if matches!((self.state, &signal), (State::Fresh, Signal::Again { .. })) {
            return Ok(Some(Output::ToCall(signal)));
        }
        let State::Offered { generation: now, answered, from_far, .. } = &mut self.state else {
            return Err(refused("signal from the far side", "no offer is open"));
        };
        let generation = match &signal {
            Signal::Offer { .. } => return Err(refused("offer from the far side", "the box offers on this route")),
            // It names the newest that it saw, which may be older than ours.
            Signal::Again { generation } if *generation <= *now => *now,
            Signal::Answer { generation, .. }
            | Signal::Candidate { generation, .. }
            | Signal::Bye { generation }
            | Signal::Again { generation } => *generation,
        };
        if generation != *now {
            return Err(refused("signal from the far side", "of another generation"));
        }
        match &signal {
            Signal::Answer { .. } if *answered => return Err(refused("answer", "a second one to the same offer")),
            Signal::Answer { .. } => *answered = true,
            Signal::Candidate { .. } => count(from_far)?,
            Signal::Offer { .. } | Signal::Again { .. } => {}
            Signal::Bye { .. } => self.state = State::Closed,
        }
        Ok(Some(Output::ToCall(signal)))
    }

    fn close(&mut self) -> Option<Output> {
        let State::Offered { generation, .. } = self.state else { return None };
        self.state = State::Closed;
        Some(self.to_far(&Signal::Bye { generation }))
    }
}

fn count(candidates: &mut u32) -> Result<(), Refused> {
    if *candidates >= MAX_CANDIDATES {
        return Err(refused("candidate", "more than 64 in one generation"));
    }
    *candidates += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Direct, MAX_CANDIDATES};
    use crate::adapter::{Adapter, Output, of_route};
    use crate::message::{read_signal, write_signal};
    use parloir_wire::signal::Signal;

    const CALL: [u8; 16] = [7; 16];

    fn offer(generation: u32) -> Signal {
        Signal::Offer { generation, sdp: "v=0".into() }
    }
    fn answer(generation: u32) -> Vec<u8> {
        write_signal(&CALL, &Signal::Answer { generation, sdp: "v=0".into() })
    }
    fn candidate(generation: u32) -> Signal {
        Signal::Candidate { generation, mline: 0, candidate: "candidate:1".into() }
    }

    #[test]
    fn offer_answer_candidates_bye() {
        let mut d = Direct::new(CALL);
        assert!(matches!(d.from_call(offer(1)), Ok(Some(Output::ToFar(b))) if read_signal(&b).unwrap() == (CALL, offer(1))));
        assert!(d.from_call(candidate(1)).is_ok());
        assert!(matches!(d.from_far(&answer(1)), Ok(Some(Output::ToCall(Signal::Answer { generation: 1, .. })))));
        assert!(d.from_far(&write_signal(&CALL, &candidate(1))).is_ok());
        assert!(matches!(d.close(), Some(Output::ToFar(b)) if read_signal(&b).unwrap().1 == Signal::Bye { generation: 1 }));
        assert_eq!(d.close(), None);
        assert!(d.from_call(offer(2)).is_err(), "closed");
    }

    #[test]
    fn a_recall_is_a_higher_generation_and_the_old_one_is_deaf() {
        let mut d = Direct::new(CALL);
        d.from_call(offer(1)).unwrap();
        d.from_call(offer(2)).unwrap();
        assert!(d.from_call(offer(2)).is_err() && d.from_call(offer(1)).is_err());
        assert!(d.from_far(&answer(1)).is_err() && d.from_far(&answer(3)).is_err());
        assert!(d.from_call(candidate(1)).is_err());
        assert!(d.from_far(&answer(2)).is_ok());
        assert!(d.from_far(&answer(2)).is_err(), "one answer");
    }

    #[test]
    fn the_far_side_neither_offers_nor_speaks_first_nor_of_another_call() {
        let mut d = Direct::new(CALL);
        assert!(d.from_far(&answer(0)).is_err(), "before the offer");
        d.from_call(offer(0)).unwrap();
        assert!(d.from_far(&write_signal(&CALL, &offer(0))).is_err());
        assert!(d.from_far(&write_signal(&[8; 16], &Signal::Bye { generation: 0 })).is_err());
        assert!(d.from_call(Signal::Answer { generation: 0, sdp: String::new() }).is_err());
        assert!(d.from_far(&write_signal(&CALL, &Signal::Bye { generation: 0 })).is_ok());
        assert!(d.from_far(&answer(0)).is_err(), "after the bye");
    }

    #[test]
    fn a_page_that_starts_anew_is_heard_before_and_after_an_offer_and_does_not_name_the_future() {
        let again = |generation| write_signal(&CALL, &Signal::Again { generation });
        let mut d = Direct::new(CALL);
        assert!(d.from_far(&again(3)).is_ok(), "a link that came back has seen no offer");
        d.from_call(offer(2)).unwrap();
        d.from_far(&answer(2)).unwrap();
        for seen in 0..=2 {
            assert!(matches!(d.from_far(&again(seen)), Ok(Some(Output::ToCall(Signal::Again { .. })))), "{seen}");
        }
        assert!(d.from_far(&again(3)).is_err());
        assert!(d.from_call(Signal::Again { generation: 2 }).is_err(), "the box offers");
        d.close();
        assert!(d.from_far(&again(2)).is_err(), "after the bye");
    }

    #[test]
    fn candidates_are_bounded() {
        let mut d = Direct::new(CALL);
        d.from_call(offer(1)).unwrap();
        (0..MAX_CANDIDATES).for_each(|_| assert!(d.from_far(&write_signal(&CALL, &candidate(1))).is_ok()));
        assert!(d.from_far(&write_signal(&CALL, &candidate(1))).is_err());
        assert!(d.from_call(candidate(1)).is_ok(), "counted each way");
        d.from_call(offer(2)).unwrap();
        assert!(d.from_far(&write_signal(&CALL, &candidate(2))).is_ok(), "counted by generation");
    }

    #[test]
    fn routes_by_name() {
        assert!(of_route("direct", CALL).is_some() && of_route("sip", CALL).is_none());
    }
}
