//! The page's languages: the same keys and the same places for names in each, every key used, and a sentence for every end that there is.

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("page").join(name)).unwrap()
}

/// All after `default` is JSON.
fn language(name: &str) -> Map<String, Value> {
    let text = page(&format!("lang/{name}.js"));
    let json = text.split_once("export default ").unwrap().1.trim_end().trim_end_matches(';');
    serde_json::from_str(json).unwrap()
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect()
}

#[test]
fn french_says_all_that_english_says() {
    let (en, fr) = (language("en"), language("fr"));
    let keys = |l: &Map<String, Value>| l.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&en), keys(&fr));
    for (key, text) in &en {
        let (text, there) = (text.as_str().unwrap(), fr[key].as_str().unwrap());
        assert_eq!(places(text), places(there), "{key}");
        assert_eq!(text.is_empty(), there.is_empty(), "{key}");
        let same = ["time.minutes", "time.seconds", "terms", "reviewed-by"];
        assert!(text != there || text.is_empty() || same.contains(&key.as_str()), "{key} is not translated");
    }
    assert_eq!(page("lang/en.js").matches("\n  \"").count(), en.len(), "no key stands twice");
    assert_eq!(page("lang/fr.js").matches("\n  \"").count(), fr.len(), "no key stands twice");
}

#[test]
fn every_key_is_used_and_every_used_key_is_there() {
    let code = ["visit.js", "ends.js", "words.js", "index.html"].map(page).concat();
    let en = language("en");
    // Made from a code or a number.
    let made = ["problem.", "end.", "missed.", "reached.", "refused.", "ended.talked."];
    for key in en.keys() {
        let quoted = [format!("\"{key}\""), format!("languages[other()].{key}")].iter().any(|form| code.contains(form));
        assert!(quoted || made.iter().any(|m| key.starts_with(m)), "{key} is used nowhere");
    }
    for attribute in ["data-t=\"", "data-label=\""] {
        for key in page("index.html").split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()) {
            assert!(en.contains_key(&key), "{key} is in index.html and in no language");
        }
    }
    for rest in code.split("t(\"").skip(1) {
        let key = rest.split('"').next().unwrap();
        assert!(!key.contains('.') || en.contains_key(key) || key.is_empty(), "{key} is written and in no language");
    }
}

/// The table that the core prints: an end that comes to it comes to the page too.
#[test]
fn every_end_has_a_sentence_here_too() {
    let table = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/refusals.md")).unwrap();
    let ends = table.split_once("## Ends").unwrap().1.split("\n## ").next().unwrap();
    let codes: Vec<&str> = ends.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    assert!(codes.len() > 10, "{codes:?}");
    let en = language("en");
    for code in codes {
        assert!(en.contains_key(&format!("end.{code}")), "end.{code}");
    }
}

/// What has legal weight stands in English until somebody has signed for the translation.
#[test]
fn sentences_of_legal_weight_are_listed() {
    let words = page("words.js");
    let listed = words.split_once("const legal = [").unwrap().1.split_once(']').unwrap().0;
    for key in language("fr").keys().filter(|k| k.contains("recorded") || k.contains("watched")) {
        assert!(listed.contains(&format!("\"{key}\"")), "{key}");
    }
}

/// Nothing of the page is made where no language reaches.
#[test]
fn index_html_has_no_words_of_its_own() {
    let text = page("index.html");
    let body = text.split_once("<main>").unwrap().1.split_once("</main>").unwrap().0;
    let words: Vec<&str> =
        body.split('>').filter_map(|part| part.split('<').next()).map(str::trim).filter(|w| !w.is_empty()).collect();
    assert!(words.is_empty(), "{words:?}");
}
