//! Owns: who may depend on what, as the design's table of rooms has it: in the manifests, in the whole graph, and in the binaries.
//! Never: lists a dependency that a crate does not have.
//! Called by: the house tests.

use std::collections::BTreeSet;
use std::process::Command;

use parloir_house::{binary, dependents, direct, metadata, root};

/// What a room may depend on directly. A crate that is not here may depend on what it likes (tests and tools of the bench).
const ROOMS: &[(&str, &[&str])] = &[
    ("parloir-core", &["parloir-pass", "serde", "thiserror"]), // serde: derives for the journal
    ("parloir-pass", &["serde", "schemars"]),                  // schemars: only with the feature that prints docs/schema
    (
        "parloir-seal",
        &[
            "parloir-pass",
            "parloir-wire",
            "ed25519-dalek",
            "hpke",
            "sha2",
            "base64",
            "getrandom",
            "serde",
            "serde_json",
            "thiserror",
        ],
    ),
    ("parloir-wire", &[]),
    ("parloir-bus", &["zbus", "serde"]), // serde: zbus' own way to name a field of a dictionary
    ("parloir-shell", &["nix", "tracing", "tracing-subscriber", "thiserror"]),
    ("parloir-frames", &["nix"]),
    ("parloir-kms", &["drm"]),
    ("parloir-still", &["parloir-kms", "parloir-shell", "png", "tracing"]),
    (
        "parloir-arbiter",
        &[
            "parloir-core",
            "parloir-pass",
            "parloir-seal",
            "parloir-wire",
            "parloir-bus",
            "parloir-shell",
            "rusqlite",
            "rcgen",
            "zbus",
            "tokio",
            "serde",
            "serde_json",
            "tracing",
            "thiserror",
            "nix",
            "sha2",
        ],
    ),
    ("parloir-gate", &["parloir-wire", "nix", "ed25519-dalek"]),
    (
        "parloir-call",
        &[
            "parloir-wire",
            "parloir-frames",
            "parloir-shell",
            "gstreamer",
            "gstreamer-app",
            "gstreamer-audio",
            "gstreamer-video",
            "gstreamer-webrtc",
            "gstreamer-sdp",
            "gstreamer-rtp",
            "gst-plugin-rtp",
            "landlock",
            "seccompiler",
            "nix",
            "tracing",
            "thiserror",
            "sha2",
            "base64",
        ],
    ),
    (
        "parloir-link",
        &[
            "parloir-wire",
            "parloir-bus",
            "parloir-shell",
            "parloir-tls",
            "rustls",
            "rumqttc-next",
            "zbus",
            "tokio",
            "serde",
            "serde_json",
            "tracing",
            "thiserror",
        ],
    ),
    ("parloir-tls", &["rustls", "thiserror", "tracing"]),
    (
        "parloir-updater",
        &[
            "parloir-bus",
            "parloir-shell",
            "parloir-tls",
            "http-body-util",
            "hyper",
            "hyper-util",
            "rustls",
            "tokio",
            "tokio-rustls",
            "zbus",
            "nix",
            "getrandom",
            "semver",
            "serde",
            "serde_json",
            "sha2",
            "thiserror",
            "tracing",
        ],
    ),
    ("parloir-peers", &["parloir-shell", "nix", "tracing"]),
    (
        "parloir-ui",
        &[
            "parloir-wire",
            "parloir-bus",
            "parloir-frames",
            "parloir-kms",
            "parloir-shell",
            "slint",
            "zbus",
            "tokio",
            "yuv",
            "nix",
            "tracing",
            "png",
        ],
    ),
    (
        "parloir-ctl",
        &[
            "parloir-core",
            "parloir-pass",
            "parloir-seal",
            "parloir-issuer",
            "parloir-wire",
            // What a box wrote is read with the box's own types.
            "parloir-updater",
            "clap",
            "clap_complete",
            "clap_mangen",
            "serde",
            "serde_json",
            "schemars",
            "toml",
            // Bundles: their form, their hash tree, their versions; and bars for what takes long.
            "indicatif",
            "semver",
            "sha2",
            "x509-parser",
        ],
    ),
];

/// What must not be in a binary, by crate or C symbol, however it came there.
const NEVER_IN: &[(&str, &[&str])] = &[
    (
        "parloir-gate",
        &["zbus::", "tokio::", "serde::", "serde_json::", "parloir_core::", "parloir_pass::", "gst_init", "rustls::"],
    ),
    ("parloir-arbiter", &["gst_init", "slint::", "rumqttc_next::", "rumqttc::", "rustls::"]),
    ("parloir-call", &["zbus::", "rusqlite::", "sqlite3_open", "slint::", "rustls::", "parloir_seal::", "parloir_core::"]),
    (
        "parloir-link",
        &["parloir_seal::", "parloir_frames::", "parloir_core::", "parloir_pass::", "gst_init", "hpke::", "sqlite3_open"],
    ),
    ("parloir-peers", &["zbus::", "tokio::", "serde::", "parloir_core::", "parloir_pass::", "gst_init", "rustls::"]),
    (
        "parloir-ui",
        &["gst_init", "parloir_core::", "parloir_pass::", "parloir_seal::", "rustls::", "sqlite3_open", "avcodec_open2"],
    ),
    // Keys come from the arbiter alone, and the card from the kernel alone.
    ("parloir-ui", &["libinput_", "libseat_", "udev_", "xkb_context_new", "drmModeSetCrtc", "gbm_create_device"]),
    ("parloir-still", &["slint::", "zbus::", "tokio::", "libinput_", "udev_", "drmModeSetCrtc"]),
];

#[test]
fn rooms_depend_only_on_what_the_design_allows() {
    let metadata = metadata();
    for (room, allowed) in ROOMS {
        let more: Vec<String> = direct(&metadata, room).into_iter().filter(|d| !allowed.contains(&d.as_str())).collect();
        assert!(more.is_empty(), "{room} depends on {more:?}, which design section 8 does not give it");
    }
}

#[test]
fn pure_crates_reach_no_clock_no_io_and_no_async_through_others() {
    let metadata = metadata();
    for room in ["parloir-core", "parloir-pass", "parloir-wire"] {
        let reached = reached(&metadata, room);
        for never in ["nix", "libc", "tokio", "zbus", "rustix", "mio", "getrandom", "tracing", "rustls", "ed25519-dalek"] {
            assert!(!reached.contains(never), "{room} reaches {never}");
        }
    }
    for never in ["zbus", "tokio", "serde", "serde_json", "parloir-core", "parloir-pass"] {
        assert!(!reached(&metadata, "parloir-gate").contains(never), "parloir-gate reaches {never}");
    }
}

/// Everything a package depends on, directly or not, in a build without its tests.
fn reached(metadata: &serde_json::Value, from: &str) -> BTreeSet<String> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("nodes");
    let name = |id: &str| {
        let packages = metadata["packages"].as_array().expect("packages");
        packages.iter().find(|p| p["id"] == id).and_then(|p| p["name"].as_str()).unwrap_or_default().to_owned()
    };
    let start = nodes.iter().find_map(|n| n["id"].as_str().filter(|id| name(id) == from)).expect("the package");
    let (mut found, mut next) = (BTreeSet::new(), vec![start.to_owned()]);
    while let Some(id) = next.pop() {
        let node = nodes.iter().find(|n| n["id"] == id.as_str()).expect("a node for every package");
        for dependency in node["deps"].as_array().into_iter().flatten() {
            let kinds = dependency["dep_kinds"].as_array().cloned().unwrap_or_default();
            let to = dependency["pkg"].as_str().unwrap_or_default();
            // Build and test dependencies and procedural macros run on the build machine.
            let shipped =
                kinds.iter().any(|k| k["kind"].is_null()) && !name(to).ends_with("-derive") && name(to) != "thiserror-impl";
            if shipped && found.insert(name(to)) {
                next.push(to.to_owned());
            }
        }
    }
    found
}

#[test]
fn binaries_hold_no_code_that_their_room_must_not_have() {
    for (name, never) in NEVER_IN {
        let symbols = symbols(name);
        assert!(symbols.lines().count() > 1000, "{name} was stripped: nothing could be seen");
        for pattern in *never {
            let found: Vec<&str> = symbols.lines().filter(|line| begins_a_path(line, pattern)).take(3).collect();
            assert!(found.is_empty(), "{name} holds {pattern} {found:?}");
        }
    }
}

/// Whether `pattern` stands at the begin of a path: `serde::x`, `<serde::x as y>`, not `myserde::x`.
fn begins_a_path(line: &str, pattern: &str) -> bool {
    line.match_indices(pattern).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
}

fn symbols(name: &str) -> String {
    let output = Command::new("nm").arg("-C").arg(binary(name)).output().expect("nm of binutils runs");
    assert!(output.status.success(), "nm {name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_look_at_symbols_can_see() {
    assert!(symbols("parloir-arbiter").lines().any(|line| begins_a_path(line, "zbus::")), "the arbiter speaks D-Bus");
    assert!(symbols("parloir-call").contains("gst_init"), "call uses GStreamer");
    assert!(begins_a_path("0 T <serde::de::X as y>", "serde::"));
    assert!(!begins_a_path("0 T my_serde::de", "serde::"));
}

#[test]
fn deny_toml_says_the_same_about_who_may_use_a_crate() {
    let metadata = metadata();
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    let file: toml::Table = toml::from_str(&text).expect("deny.toml is TOML");
    let rules = file["bans"]["deny"].as_array().expect("bans.deny");
    let mut seen = 0;
    for rule in rules {
        let name = rule["crate"].as_str().expect("crate");
        let Some(wrappers) = rule.get("wrappers").and_then(|w| w.as_array()) else {
            assert!(dependents(&metadata, name).is_empty(), "{name} is banned and used");
            continue;
        };
        let wrappers: BTreeSet<&str> = wrappers.iter().filter_map(|w| w.as_str()).collect();
        let users = dependents(&metadata, name);
        let users: BTreeSet<&str> = users.iter().map(String::as_str).collect();
        assert_eq!(users, wrappers, "who uses {name} is not who deny.toml says");
        seen += 1;
    }
    assert!(seen > 10, "deny.toml guards only {seen} crates");
}
