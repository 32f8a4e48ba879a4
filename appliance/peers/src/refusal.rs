//! Owns: the codes under which a peer or a file is refused, each with what an operator does about it.
//! Never: a code that changes its meaning.
//! Called by: files, judge, kernel, the journal's catalogue.

use std::fmt;

macro_rules! codes {
    ($($code:ident, $hint:literal;)+) => {
        /// Why something was not opened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $hint] $code,)+
        }

        impl Code {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$code,)+];

            /// As in the journal.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)+ }
            }

            /// What an operator does about it.
            #[must_use]
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$code => $hint,)+ }
            }
        }
    };
}

codes! {
    BoxFile, "box.env cannot be read as lines of NAME=value: nothing is opened for link; provision the box again.";
    BrokerUnnamed, "box.env does not name the broker once, as PARLOIR_BROKER=address:port: nothing is opened for link; provision the box again.";
    UpdatesUnnamed, "box.env names the update server twice or otherwise than as PARLOIR_UPDATES=address:port: nothing is opened for the updater; provision the box again.";
    RelaysFile, "The arbiter's list of relays is not in its form: nothing is opened for call; look at parloir-arbiter.service.";
    PeerName, "A peer is given by name, and a box asks no name server; put its IPv4 address into the policy or box.env.";
    PeerIpv6, "A peer has an IPv6 address, and a box speaks IPv4 only; give its IPv4 address.";
    PeerReserved, "A peer's address is unspecified, loopback, link-local, multicast, broadcast or reserved; no broker, relay or update server can be there.";
    PeerNear, "A peer lies in the box's own network, where other cells are; put broker, relays and update server into a network of their own, or lease boxes addresses of prefix length 32.";
    PeerPort, "A peer has port 0.";
    NoInterfaces, "The kernel did not tell the box's own addresses: nothing is opened; it is asked again every half second.";
    NotSet, "The firewall did not take the peers: what was shut stays shut; look at parloir-firewall.service. It is tried again.";
}

/// A refusal: its code, and what exactly was refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refused {
    /// The code.
    pub code: Code,
    /// What it was: a line, an address, an error of the kernel.
    pub what: String,
}

impl Refused {
    /// `what` goes to the journal.
    pub fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, what: what.into() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [org.parloir.Error.{}]", self.what, self.code.hint(), self.code.name())
    }
}

impl std::error::Error for Refused {}

#[cfg(test)]
mod tests {
    use super::{Code, Refused};

    #[test]
    fn a_refusal_says_what_why_what_next_and_its_code() {
        let said = Refused::new(Code::PeerPort, "udp 10.0.0.1 0").to_string();
        assert_eq!(said, "udp 10.0.0.1 0: A peer has port 0. [org.parloir.Error.PeerPort]");
        for code in Code::ALL {
            assert!(code.hint().ends_with('.') && code.name().chars().all(char::is_alphanumeric));
        }
    }
}
