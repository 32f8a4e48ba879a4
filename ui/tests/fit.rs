//! Owns: that nothing runs out of the screen: the overscan margin stays empty in every view and language, long names and words included.
//! Never: judges beauty; tests/pictures.rs keeps what was reviewed.
//! Called by: cargo test.

mod common;

use common::theatre::Theatre;
use parloir_bus::view::Phase;
use slint::{Rgb8Pixel, SharedPixelBuffer};

/// Pixels of the margin of `slint/theme.slint` that must be empty: its 64 and 36 less the focus ring's reach.
const SIDE: usize = 52;
const EDGE: usize = 24;

#[test]
fn the_margin_stays_empty() {
    let theatre = Theatre::new();
    let black = |_, _| 16;
    let ground = theatre.show(&common::all().into_iter().find(|s| s.name == "starting").unwrap(), black);
    let mut wrong = Vec::new();
    let tags = parloir_ui::language::LANGUAGES;
    for scene in tags.iter().flat_map(|tag| common::all().into_iter().map(|scene| scene.spoken(tag))) {
        let visit = matches!(scene.last().phase, Phase::Live | Phase::Held);
        let drawn = theatre.show(&scene, black);
        // The far picture is black, the held screen's veil over it even.
        let empty = |i: usize| if visit { drawn.as_slice()[0] } else { ground.as_slice()[i] };
        if let Some((x, y)) = first_in_margin(&drawn, empty) {
            wrong.push(format!("{}: something reaches into the margin at {x},{y}", scene.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_in_margin(drawn: &SharedPixelBuffer<Rgb8Pixel>, empty: impl Fn(usize) -> Rgb8Pixel) -> Option<(usize, usize)> {
    let (width, height) = (drawn.width() as usize, drawn.height() as usize);
    let pixels = drawn.as_slice().iter().enumerate().map(|(i, p)| (i % width, i / width, i, p));
    let mut margin = pixels.filter(|(x, y, ..)| *x < SIDE || *x >= width - SIDE || *y < EDGE || *y >= height - EDGE);
    let near = |a: u8, b: u8| a.abs_diff(b) <= 2;
    margin
        .find(|(_, _, i, p)| {
            let e = empty(*i);
            !(near(p.r, e.r) && near(p.g, e.g) && near(p.b, e.b))
        })
        .map(|(x, y, ..)| (x, y))
}
