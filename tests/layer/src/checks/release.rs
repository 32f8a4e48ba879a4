//! Owns: that what we ask of the release is what it has: its Rust, its series, the version of the workspace, GStreamer's security fixes.
//! Never: a newer Rust than the LTS brings: the layer takes no compiler from elsewhere.
//! Called by: `scripts/layer static`.

use super::Context;
use crate::{Book, Fault};

/// Rust of wrynose (6.0 LTS); `scripts/layer graph` asks the release itself.
const RUST: (u32, u32) = (1, 94);
/// The GStreamer of 1.28 that has what was found since the release's own 1.28.2.
const GSTREAMER: (u32, u32, u32) = (1, 28, 5);

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("release");
    workspace(&mut book, with);
    let layer = "yocto-layer/conf/layer.conf";
    let conf = super::recipes::conf(with.tree, layer);
    let compat = conf.words("LAYERSERIES_COMPAT_parloir");
    book.hold(
        compat == ["wrynose"],
        layer,
        format!("LAYERSERIES_COMPAT_parloir is {compat:?}"),
        "wrynose alone is what was tried",
    );
    let inc = "yocto-layer/conf/distro/include/parloir.inc";
    let distro = super::recipes::conf(with.tree, inc);
    let version = distro.value("PARLOIR_GSTREAMER").unwrap_or_default();
    book.hold(
        numbers(&version) >= vec![GSTREAMER.0, GSTREAMER.1, GSTREAMER.2],
        inc,
        format!("PARLOIR_GSTREAMER is {version}: older ones have known holes"),
        format!("{}.{}.{} or newer", GSTREAMER.0, GSTREAMER.1, GSTREAMER.2),
    );
    for part in ["gstreamer1.0", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good", "gstreamer1.0-plugins-bad"] {
        let file = format!("yocto-layer/recipes-multimedia/gstreamer/{part}_{version}.bb");
        book.hold(
            with.tree.has(&file),
            &file,
            "no recipe for the version that the distro prefers: the release's older one would be built",
            "write it",
        );
        let preferred = distro.value(&format!("PREFERRED_VERSION_{part}")).unwrap_or_default();
        book.hold(preferred == version, inc, format!("PREFERRED_VERSION_{part} is `{preferred}`"), "prefer PARLOIR_GSTREAMER");
    }
    book.faults
}

fn workspace(book: &mut Book, with: &Context<'_>) {
    let Ok(cargo) = toml::from_str::<toml::Table>(with.tree.text("Cargo.toml")) else {
        book.fault("Cargo.toml", "it cannot be read", "correct it");
        return;
    };
    let text = |key: &str| cargo["workspace"]["package"].get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let asked = text("rust-version");
    let fits = matches!(numbers(&asked)[..], [major, minor, ..] if (major, minor) <= RUST);
    book.hold(
        fits,
        "Cargo.toml rust-version",
        format!("{asked} is newer than the release's Rust {}.{}", RUST.0, RUST.1),
        "keep to the release's",
    );
    let version = text("version");
    let inc = "yocto-layer/conf/distro/include/parloir.inc";
    let distro = super::recipes::conf(with.tree, inc).value("DISTRO_VERSION").unwrap_or_default();
    book.hold(
        distro == version,
        inc,
        format!("DISTRO_VERSION is {distro}, the workspace's is {version}: a bundle would say the wrong one"),
        "make them equal",
    );
    let recipe = format!("yocto-layer/recipes-parloir/parloir/parloir_{version}.bb");
    book.hold(with.tree.has(&recipe), &recipe, "no recipe has the version of the workspace", "rename it");
}

fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}
