//! Owns: which of the bundled languages the screen speaks.
//! Never: the machine's own locale; a word.
//! Called by: screen, the tests.

use tracing::warn;

/// Tags of `ui/lang`, and of the pseudo-locale that build.rs makes for tests (accents, 40 % longer, in brackets).
#[cfg(feature = "bench")]
pub const LANGUAGES: &[&str] = &["en", "fr", "en-XA"];
/// Tags of `ui/lang`.
#[cfg(not(feature = "bench"))]
pub const LANGUAGES: &[&str] = &["en", "fr"];

/// The language of ours that is nearest to a BCP 47 tag: itself, its primary language, else English.
#[must_use]
pub fn nearest(tag: &str) -> &'static str {
    let ours = |wanted: &str| LANGUAGES.iter().copied().find(|l| l.eq_ignore_ascii_case(wanted));
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    ours(tag).or_else(|| ours(primary)).unwrap_or("en")
}

/// Speaks the language from now on.
pub fn speak(tag: &str) {
    if let Err(error) = slint::select_bundled_translation(nearest(tag)) {
        warn!(%error, "the language is not there");
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_language() {
        let all = ["en", "fr", "fr-BE", "fr_CH", "FR", "en-GB", "pt", "", "x"].map(nearest);
        assert_eq!(all, ["en", "fr", "fr", "fr", "fr", "en", "en", "en", "en"]);
    }
}
