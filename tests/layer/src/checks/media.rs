//! Owns: that the layer's image has every GStreamer plugin that the reference image has, and that each of them is really built.
//! Never: a plugin that only the layer has.
//! Called by: `scripts/layer static`.

use super::Context;
use crate::tree::Tree;
use crate::{Book, Fault};

/// What is off unless it is asked for, and is needed at run time: webrtcbin fails without, and nothing says so before.
const OFF_BY_DEFAULT: &[(&str, &[&str])] = &[
    ("libnice", &["gstreamer"]),
    ("gstreamer1.0-plugins-base", &["opus"]),
    ("gstreamer1.0-plugins-bad", &["dtls", "openh264", "srtp", "webrtc"]),
];

/// Plugins of the reference image: `x` of `libgstx.so`.
#[must_use]
pub fn plugins(tree: &Tree) -> Vec<String> {
    let lines = tree.text("tests/image/recipe/keep").lines();
    let name = |line: &str| Some(line.split_once("gstreamer-1.0/libgst")?.1.strip_suffix(".so")?.to_owned());
    lines.filter_map(name).collect()
}

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("media");
    let plugins = plugins(with.tree);
    book.hold(plugins.len() > 10, "tests/image/recipe/keep", "it names hardly any plugin", "see why");
    for plugin in &plugins {
        let there = with.manifest.wanted.iter().any(|package| holds(package, plugin));
        book.hold(
            there,
            "yocto-layer: the image",
            format!("no package for GStreamer's plugin {plugin}, which the reference image has"),
            "name its package in the packagegroup",
        );
    }
    for (pn, options) in OFF_BY_DEFAULT {
        let files: Vec<&str> = appends(with.tree, pn).collect();
        let words: Vec<String> =
            files.iter().flat_map(|file| super::recipes::recipe(with.tree, file).words("PACKAGECONFIG")).collect();
        for option in *options {
            let at = files.first().map_or_else(|| format!("yocto-layer: {pn}"), |file| (*file).to_owned());
            book.hold(
                words.iter().any(|word| word == option),
                at,
                format!("PACKAGECONFIG of {pn} does not switch {option} on, and it is off by default"),
                format!("PACKAGECONFIG:append:parloir-box = \" {option}\""),
            );
        }
    }
    for package in with
        .manifest
        .wanted
        .iter()
        .filter(|package| package.contains("-plugins-ugly") || package.contains("libav") || package.contains("ffmpeg"))
    {
        book.fault(
            "yocto-layer: the image",
            format!("it takes {package}: H.264 is openh264's here, x264 and FFmpeg bring the GPL and recorders"),
            "take it out",
        );
    }
    book.faults
}

/// Recipes and appends of the layer for another layer's recipe.
fn appends<'a>(tree: &'a Tree, pn: &'a str) -> impl Iterator<Item = &'a str> {
    tree.below("yocto-layer/").filter(move |path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        (name.ends_with(".bbappend") || name.ends_with(".bb"))
            && name.split('_').next() == Some(pn)
            && !path.contains("/dynamic-layers/")
    })
}

/// Whether a package has that plugin; those of the core come with GStreamer itself.
fn holds(package: &str, plugin: &str) -> bool {
    match plugin {
        "coreelements" => package == "gstreamer1.0",
        "nice" => package == "libnice",
        _ => package
            .strip_prefix("gstreamer1.0-plugins-")
            .and_then(|rest| rest.split_once('-'))
            .is_some_and(|(_, name)| name == plugin),
    }
}
