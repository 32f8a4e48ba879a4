//! Owns: the rules of the look that a machine can check: contrast, least size, roles, words through @tr, no toolkit look.
//! Never: beauty.
//! Called by: cargo test.

use std::path::{Path, PathBuf};

/// Every `.slint` file: path below `slint/` and text.
fn files() -> Vec<(String, String)> {
    fn walk(directory: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() { walk(&entry, out) } else { out.push(entry) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("slint");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let named = |p: PathBuf| (p.strip_prefix(&root).unwrap().display().to_string(), std::fs::read_to_string(p).unwrap());
    let files: Vec<_> = paths.into_iter().map(named).collect();
    assert!(files.len() > 15, "the files were found");
    files
}

fn theme() -> String {
    files().into_iter().find(|(name, _)| name == "theme.slint").unwrap().1
}

/// `#RRGGBB` of a token.
fn token(theme: &str, name: &str) -> [u8; 3] {
    let (_, rest) = theme.split_once(&format!("<color> {name}: #")).unwrap_or_else(|| panic!("no token {name}"));
    let number = u32::from_str_radix(&rest[..6], 16).unwrap();
    let [_, r, g, b] = number.to_be_bytes();
    [r, g, b]
}

/// Contrast ratio of WCAG 2.2, 1.4.6.
fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
    let channel = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let luminance = |c: [u8; 3]| 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn words_have_a_contrast_of_seven_to_one() {
    let theme = theme();
    assert!((contrast([0; 3], [255; 3]) - 21.0).abs() < 0.01);
    let on = |words: &[&str], grounds: &[&str]| {
        for w in words {
            for g in grounds {
                let ratio = contrast(token(&theme, w), token(&theme, g));
                assert!(ratio >= 7.0, "{w} on {g}: {ratio:.1}:1");
            }
        }
    };
    on(&["text", "quiet", "can-do", "private", "soon", "ends", "focus"], &["ground", "ground-high", "ground-glow", "surface"]);
    on(&["text"], &["raised"]);
    on(&["ink"], &["can-do"]);
    // The veil over a white picture is the worst that words over a picture can stand on.
    let (_, opacity) = theme.split_once("<color> veil: #").unwrap();
    let opacity = f64::from(u8::from_str_radix(&opacity[6..8], 16).unwrap()) / 255.0;
    let veil = token(&theme, "veil").map(|v| (f64::from(v) * opacity + 255.0 * (1.0 - opacity)) as u8);
    for w in ["text", "can-do", "private", "soon", "ends"] {
        assert!(contrast(token(&theme, w), veil) >= 7.0, "{w} over a white picture: {:.1}:1", contrast(token(&theme, w), veil));
    }
}

#[test]
fn initials_stand_out_on_every_persons_colour() {
    let theme = theme();
    let ink = token(&theme, "ink");
    let colours: Vec<[u8; 3]> = theme
        .lines()
        .filter_map(|l| l.split_once("return #"))
        .map(|(_, hex)| u32::from_str_radix(&hex[..6], 16).unwrap().to_be_bytes())
        .map(|[_, r, g, b]| [r, g, b])
        .collect();
    assert_eq!(colours.len(), parloir_ui::present::HUES);
    assert!(colours.iter().all(|c| contrast(*c, ink) >= 7.0));
}

#[test]
fn no_words_are_smaller_than_22_pixels() {
    let mut seen = 0;
    for (name, text) in files() {
        for line in text.lines().map(str::trim) {
            let sizes = line.split_once("font-size: ").or_else(|| line.split_once(" size: ").filter(|_| !line.contains("Icon")));
            let theme = name == "theme.slint" && line.contains("property <length>") && line.contains("least");
            let Some((_, value)) = sizes.or_else(|| line.split_once("least: ").filter(|_| theme)) else { continue };
            seen += 1;
            if let Some(px) = value.split(';').next().and_then(|v| v.strip_suffix("px")).and_then(|v| v.parse::<u32>().ok()) {
                assert!(px >= 22, "{name}: {line}");
            }
        }
    }
    assert!(seen > 15, "sizes were found");
}

#[test]
fn words_go_through_tr_and_nothing_looks_like_a_toolkit() {
    for (name, text) in files() {
        assert!(!text.contains("std-widgets"), "{name} uses the toolkit's widgets");
        for line in text.lines().map(str::trim) {
            let bare =
                ["text: \"", "words: \"", "cap: \"", "title: \"", "label: \"", "return \""].iter().any(|p| line.contains(p));
            assert!(!bare || line.contains("return \"\"") || name == "api.slint", "{name}: words without @tr: {line}");
        }
    }
}

#[test]
fn what_can_be_chosen_has_a_role_and_a_label_and_shows_the_focus() {
    let mut choosable = 0;
    for (name, text) in files() {
        for component in text.split("component ").skip(1) {
            let chosen = component.contains("in property <bool> focused;");
            if !chosen {
                continue;
            }
            choosable += 1;
            for needed in ["accessible-role: button;", "accessible-label:", "accessible-item-selected: focused;"] {
                assert!(component.contains(needed), "{name}: {needed} is missing in {}", component.lines().next().unwrap());
            }
            assert!(component.contains("FocusRing") || component.contains("Theme.focus"), "{name}: the focus is not seen");
        }
    }
    assert_eq!(choosable, 4, "a person, a sign, a choice, a key");
}
