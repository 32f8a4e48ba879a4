//! Faults in recipes, the list of crates, fragments and versions.

use crate::{INC, Plant, RECIPE, seen};

const CRATES: &str = "yocto-layer/recipes-parloir/parloir/parloir-crates.inc";
const FRAGMENT: &str = "yocto-layer/recipes-kernel/linux/files/no-radio.cfg";
const IMAGE: &str = "yocto-layer/recipes-core/packagegroups/packagegroup-parloir.bb";
const LIBNICE: &str = "yocto-layer/recipes-multimedia/libnice/libnice_%.bbappend";

pub const PLANTS: &[Plant] = &[
    Plant {
        check: "crates",
        what: "a crate of the lock file is not in the list",
        plant: |tree| tree.edit(CRATES, "    crate://crates.io/serde/", "    crate://crates.io/serde-not/"),
        words: "scripts/layer crates",
    },
    Plant {
        check: "crates",
        what: "the checksum of a crate is another",
        plant: |tree| tree.edit(CRATES, ".sha256sum] = \"", ".sha256sum] = \"0"),
        words: "stands where Cargo.lock asks for",
    },
    Plant {
        check: "crates",
        what: "a crate comes from a git repository",
        plant: |tree| {
            tree.edit("Cargo.lock", "registry+https://github.com/rust-lang/crates.io-index", "git+https://example.org/x")
        },
        words: "which crate:// cannot fetch",
    },
    Plant {
        check: "release",
        what: "the workspace asks for a newer Rust than the release has",
        plant: |tree| tree.edit("Cargo.toml", "rust-version = \"1.94\"", "rust-version = \"1.96\""),
        words: "newer than the release's Rust 1.94",
    },
    Plant {
        check: "release",
        what: "the layer says that it fits a release that nobody tried",
        plant: |tree| {
            tree.edit(
                "yocto-layer/conf/layer.conf",
                "LAYERSERIES_COMPAT_parloir = \"wrynose\"",
                "LAYERSERIES_COMPAT_parloir = \"wrynose scarthgap\"",
            )
        },
        words: "wrynose alone",
    },
    Plant {
        check: "release",
        what: "GStreamer is the one with the holes",
        plant: |tree| tree.edit(INC, "PARLOIR_GSTREAMER = \"1.28.5\"", "PARLOIR_GSTREAMER = \"1.28.2\""),
        words: "older ones have known holes",
    },
    Plant {
        check: "release",
        what: "the distro says another version than the programs",
        plant: |tree| tree.edit(INC, "DISTRO_VERSION = \"0.1.0\"", "DISTRO_VERSION = \"0.2.0\""),
        words: "a bundle would say the wrong one",
    },
    Plant {
        check: "recipes",
        what: "a recipe names a file that is not there",
        plant: |tree| tree.remove(FRAGMENT),
        words: "in no place that it looks at",
    },
    Plant {
        check: "recipes",
        what: "a fragment lies there and no recipe names it",
        plant: |tree| {
            tree.put(
                "yocto-layer/recipes-kernel/linux/files/forgotten.cfg",
                "# Purpose: nothing at all, nobody names it.\nCONFIG_X=y\n",
            )
        },
        words: "so it changes nothing",
    },
    Plant {
        check: "recipes",
        what: "an append changes a recipe for every distro",
        plant: |tree| tree.edit(LIBNICE, "PACKAGECONFIG:parloir-box", "PACKAGECONFIG"),
        words: "changes this recipe for every distro",
    },
    Plant {
        check: "recipes",
        what: "a revision that can move",
        plant: |tree| {
            tree.put(
                "yocto-layer/recipes-x/x/x_1.bb",
                "LICENSE = \"MIT\"\nSRCREV = \"${AUTOREV}\"\ninherit features_check\nREQUIRED_DISTRO_FEATURES = \"parloir\"\n",
            )
        },
        words: "AUTOREV asks the network",
    },
    Plant {
        check: "recipes",
        what: "a revision by its name",
        plant: |tree| {
            tree.put(
                "yocto-layer/recipes-x/x/x_1.bb",
                "LICENSE = \"MIT\"\nSRCREV = \"main\"\ninherit features_check\nREQUIRED_DISTRO_FEATURES = \"parloir\"\n",
            )
        },
        words: "two builds could differ",
    },
    Plant {
        check: "recipes",
        what: "a licence that is no SPDX name",
        plant: |tree| tree.edit(IMAGE, "LICENSE = \"Apache-2.0\"", "LICENSE = \"Apache\""),
        words: "no licence of ours by its SPDX name",
    },
    Plant {
        check: "recipes",
        what: "a recipe that any distro would build",
        plant: |tree| tree.edit(IMAGE, "REQUIRED_DISTRO_FEATURES = \"parloir\"", "REQUIRED_DISTRO_FEATURES = \"systemd\""),
        words: "another distro would try to build it",
    },
    Plant {
        check: "kernel",
        what: "an option stands in two fragments, in two ways",
        plant: |tree| {
            tree.put("yocto-layer/recipes-kernel/linux/files/again.cfg", "# Purpose: bluetooth, of all things.\nCONFIG_BT=y\n")
        },
        words: "asked for in two ways",
    },
    Plant {
        check: "kernel",
        what: "a line that Kconfig does not understand",
        plant: |tree| tree.edit(FRAGMENT, "# CONFIG_BT is not set", "CONFIG_BT is not set"),
        words: "asks for nothing that Kconfig understands",
    },
    Plant {
        check: "kernel",
        what: "a fragment that does not say what it is for",
        plant: |tree| tree.edit(FRAGMENT, "# Purpose: no radio", "#"),
        words: "write one purpose",
    },
    Plant {
        check: "media",
        what: "the image has no package with webrtcbin",
        plant: |tree| tree.edit(IMAGE, "    gstreamer1.0-plugins-bad-webrtc \\\n", ""),
        words: "plugin webrtc, which the reference image has",
    },
    Plant {
        check: "media",
        what: "libnice is built without its elements: webrtcbin would fail on the box alone",
        plant: |tree| tree.edit(LIBNICE, "\"gstreamer openssl\"", "\"openssl\""),
        words: "does not switch gstreamer on",
    },
    Plant {
        check: "media",
        what: "opus is left at its default, which is off",
        plant: |tree| {
            tree.edit("yocto-layer/recipes-multimedia/gstreamer/gstreamer1.0-plugins-base_%.bbappend", " alsa opus\"", " alsa\"")
        },
        words: "does not switch opus on",
    },
    Plant {
        check: "media",
        what: "FFmpeg comes in",
        plant: |tree| tree.edit(IMAGE, "    libnice \\\n", "    libnice \\\n    gstreamer1.0-libav \\\n"),
        words: "bring the GPL and recorders",
    },
    Plant {
        check: "install",
        what: "a program is not built",
        plant: |tree| tree.edit(RECIPE, "    --package parloir-gate \\\n", ""),
        words: "its do_install fails",
    },
];

#[test]
fn faults_in_sources_are_seen() {
    seen(PLANTS, "sources");
}
