//! Owns: that bench doors exist exactly in a build with the feature `bench`; run it with and without.
//! Never: starts gate.
//! Called by: `cargo test -p parloir-gate`, with and without `--features bench`.

#[test]
fn bench_flags_are_known_only_to_a_bench_build() {
    for flag in ["--bench-remote", "--bench-camera", "--bench-microphone", "--bench-hold"] {
        let id = "00112233445566778899aabbccddeeff";
        let words = ["--device", id, "--site", id, "--arbiter-uid", "7", "--call-uid", "8", flag, "x"];
        let parsed = parloir_gate::config::parse(words.iter().map(|word| (*word).to_owned()));
        let known = match parsed {
            Ok(_) => true,
            Err(why) => {
                assert!(why.starts_with(&format!("unknown flag {flag}")), "{why}");
                false
            }
        };
        assert_eq!(known, cfg!(feature = "bench"), "{flag}");
    }
}
