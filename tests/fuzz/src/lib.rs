//! Owns: the fuzz targets: every parser that reads what somebody else wrote, each with what must hold besides not panicking.
//! Never: the fuzzer (`src/bin/fuzz.rs`, only with the feature of that name); a file.
//! Called by: `scripts/fuzz`, the replay of the corpus in the ordinary tests, the generator of seeds.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod desk;
pub mod documents;
pub mod frames;
pub mod gate;
pub mod json;
pub mod messages;
pub mod mqtt;
pub mod peers;
pub mod sdp;
pub mod sealed;
pub mod seeds;
pub mod updates;

/// One target.
#[derive(Clone, Copy)]
pub struct Target {
    /// As on the command line and in `corpus/`.
    pub name: &'static str,
    /// Takes any bytes; a panic is a finding.
    pub run: fn(&[u8]),
    /// Longest input that is tried, bytes.
    pub longest: usize,
    /// What it reads, in words.
    pub reads: &'static str,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "documents",
        run: documents::run,
        longest: 6000,
        reads: "every kind of signed document, before and behind its signature",
    },
    Target { name: "sealed", run: sealed::run, longest: 4000, reads: "HPKE bodies" },
    Target { name: "gate", run: gate::run, longest: 600, reads: "door key records, door tickets, roots, gate's messages" },
    Target { name: "messages", run: messages::run, longest: 4000, reads: "lease, signal, key and start messages" },
    Target { name: "sdp", run: sdp::run, longest: 6000, reads: "answers, offers and candidates, beside GStreamer's own parser" },
    Target { name: "mqtt", run: mqtt::run, longest: 4000, reads: "topics, signalling JSON, the adapter of the direct route" },
    Target { name: "desk", run: desk::run, longest: 4000, reads: "what a box and a page say to the facility" },
    Target { name: "peers", run: peers::run, longest: 5000, reads: "box.env and the list of relays, before the firewall" },
    Target {
        name: "updates",
        run: updates::run,
        longest: 4000,
        reads: "the update server's answers, RAUC's words, the updater's own files",
    },
    Target { name: "frames", run: frames::run, longest: 2000, reads: "frame headers, and the receiver behind them" },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}
