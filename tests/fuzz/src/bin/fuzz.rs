//! Owns: the fuzzer (libFuzzer): one binary, the target by PARLOIR_FUZZ.
//! Never: a target's own words; those are in the library.
//! Called by: scripts/fuzz.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("PARLOIR_FUZZ").unwrap_or_default();
    parloir_fuzz::target(&name).unwrap_or_else(|| panic!("PARLOIR_FUZZ={name} is no target: scripts/fuzz --list")).run
});

fuzz_target!(|data: &[u8]| TARGET(data));
