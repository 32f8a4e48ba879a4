//! Owns: the pictures that stand without a program behind them: as reviewed, in every language of the binary, within the margin, with
//! the code that staff are to be told.
//! Never: a screen of the running program (tests/pictures.rs). `UPDATE=1` writes the pictures anew, to be looked at before they are kept.
//! Called by: cargo test.

use parloir_ui::stills::{CODE, STILLS, write};
use std::path::{Path, PathBuf};

/// Most that a channel of a pixel may differ, and most pixels that may differ more.
const CHANNEL: u8 = 6;
const PIXELS: usize = 60;
/// 5 % of 1280 and 720.
const MARGIN: (usize, usize) = (64, 36);

#[test]
fn the_stills_are_as_reviewed_and_keep_the_margin() {
    let reviewed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let drawn = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("stills");
    write(&drawn).unwrap();
    for (name, _) in STILLS {
        let (new, kept) = (drawn.join(format!("{name}.png")), reviewed.join(format!("still-{name}.png")));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::copy(&new, &kept).unwrap();
        }
        let (new, kept) = (read(&new), read(&kept));
        assert_eq!(new.len(), 1280 * 720 * 3, "{name}: 1280x720, three bytes a pixel");
        let differs = |(a, b): (&[u8], &[u8])| a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) > CHANNEL);
        let count = new.chunks(3).zip(kept.chunks(3)).filter(|pair| differs(*pair)).count();
        assert!(count <= PIXELS, "{name}: {count} pixels are not as reviewed; UPDATE=1 accepts all");
        assert_eq!(bright_in_the_margin(&new), 0, "{name}: words or signs in the margin");
    }
}

/// Words and signs are brighter than any ground.
fn bright_in_the_margin(rgb: &[u8]) -> usize {
    let inside = |n: usize| {
        let (x, y) = (n % 1280, n / 1280);
        (MARGIN.0..1280 - MARGIN.0).contains(&x) && (MARGIN.1..720 - MARGIN.1).contains(&y)
    };
    rgb.chunks(3).enumerate().filter(|(n, p)| !inside(*n) && p.iter().any(|c| *c > 120)).count()
}

#[test]
fn the_code_is_of_no_other_meaning() {
    let codes = include_str!("../../docs/refusals.md");
    assert!(!codes.contains(&format!("`{CODE}`")), "{CODE} is a code of the core's");
}

fn read(path: &Path) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let size = reader.next_frame(&mut bytes).unwrap().buffer_size();
    bytes.truncate(size);
    bytes
}
