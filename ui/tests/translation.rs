//! Owns: `lang/parloir-ui.pot`, the list of what translators translate, made from the @tr of every `.slint` file; that each language has all of it.
//! Never: a translation. `UPDATE=1` writes the list anew and puts what is new, untranslated, into each language.
//! Called by: cargo test.

#[path = "../lang/catalog.rs"]
mod catalog;

use catalog::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Context, words and plural, and the files that say them.
type Places = BTreeMap<(String, String, Option<String>), BTreeSet<String>>;

const HEAD: &str = "# Words of the screen, made from slint/ by tests/translation.rs.\nmsgid \"\"\nmsgstr \"\"\n\"Content-Type: text/plain; charset=UTF-8\\n\"";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn slint_files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() { slint_files(&entry, out) } else { out.push(entry) }
    }
}

/// The string that begins after an opening quote, as it is written in the source, and what follows it.
fn string(text: &str) -> (String, &str) {
    let end = text.char_indices().scan(false, |escaped, (i, c)| {
        let closes = c == '"' && !*escaped;
        *escaped = c == '\\' && !*escaped;
        Some((i, closes))
    });
    let end = end.filter(|(_, closes)| *closes).map(|(i, _)| i).next().expect("a string ends");
    (text[..end].to_owned(), &text[end + 1..])
}

fn next_string(text: &str) -> (String, &str) {
    string(text.trim_start().strip_prefix('"').expect("@tr has words in quotes"))
}

fn collect(file: &str, text: &str, places: &mut Places) {
    for (at, _) in text.match_indices("@tr(") {
        let (mut context, (mut one, mut rest)) = (String::new(), next_string(&text[at + 4..]));
        if let Some(after) = rest.trim_start().strip_prefix("=>") {
            context = one;
            (one, rest) = next_string(after);
        }
        let many = rest.trim_start().strip_prefix('|').map(|r| next_string(r).0);
        places.entry((context, one, many)).or_default().insert(file.to_owned());
    }
}

/// What the sources say.
fn template() -> Vec<Entry> {
    let (mut paths, mut places) = (Vec::new(), Places::new());
    slint_files(&root().join("slint"), &mut paths);
    paths.sort();
    for path in paths {
        let file = path.strip_prefix(root()).unwrap().display().to_string();
        collect(&file, &std::fs::read_to_string(&path).unwrap(), &mut places);
    }
    let entry = |((context, id, plural), files): (_, BTreeSet<String>)| {
        let plural: Option<String> = plural;
        let texts = vec![String::new(); 1 + usize::from(plural.is_some())];
        // By file alone: a line that moves is no news for a translator.
        Entry { places: files.into_iter().collect::<Vec<_>>().join(" "), context, id, plural, texts, reviewed_by: None }
    };
    places.into_iter().map(entry).collect()
}

/// The languages but English: tag, path, head, entries.
fn languages() -> Vec<(String, PathBuf, String, Vec<Entry>)> {
    let directories = std::fs::read_dir(root().join("lang")).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let mut all = Vec::new();
    for directory in directories {
        let tag = directory.file_name().unwrap().to_str().unwrap().to_owned();
        let path = directory.join("LC_MESSAGES/parloir-ui.po");
        let (head, entries) = catalog::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if tag != "en" {
            all.push((tag, path, head, entries));
        }
    }
    all
}

/// A language's list in the order of the template, with what it has.
fn merged(template: &[Entry], old: &[Entry]) -> Vec<Entry> {
    let of = |entry: &Entry| {
        let known = old.iter().find(|o| o.key() == entry.key());
        known.map_or_else(|| entry.clone(), |o| Entry { places: entry.places.clone(), ..o.clone() })
    };
    template.iter().map(of).collect()
}

#[test]
fn the_list_for_translators_is_complete() {
    let (path, template) = (root().join("lang/parloir-ui.pot"), template());
    let now = catalog::print(HEAD, &template);
    assert!(template.len() > 150 && now.contains("msgid_plural \"in {n} minutes\"") && now.contains("msgctxt \"legal\""));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, now).unwrap();
        for (_, path, head, entries) in languages() {
            std::fs::write(path, catalog::print(&head, &merged(&template, &entries))).unwrap();
        }
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept, now, "lang/parloir-ui.pot is not of this source: UPDATE=1 cargo test -p parloir-ui --test translation");
}

#[test]
fn each_language_has_every_sentence_with_its_placeholders() {
    let (template, languages) = (template(), languages());
    assert!(languages.iter().any(|(tag, ..)| tag == "fr"));
    let mut wrong = Vec::new();
    for (tag, _, _, entries) in &languages {
        let stale = entries.iter().filter(|e| !template.iter().any(|t| t.key() == e.key()));
        wrong.extend(stale.map(|e| format!("{tag}: no longer said: {:?}", e.id)));
        for entry in merged(&template, entries) {
            if !entry.is_translated() || entry.texts.len() != 1 + usize::from(entry.plural.is_some()) {
                wrong.push(format!("{tag}: not translated: {:?}", entry.id));
                continue;
            }
            for text in &entry.texts {
                if placeholders(text) != placeholders(&entry.id) {
                    wrong.push(format!("{tag}: other placeholders: {:?}: {text:?}", entry.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|t| t.split('}').next().unwrap_or_default()).collect()
}

#[test]
fn the_screen_knows_the_languages_that_are_there() {
    let mut there: Vec<String> = languages().into_iter().map(|(tag, ..)| tag).chain(["en".to_owned()]).collect();
    there.sort();
    let ours: Vec<&str> = parloir_ui::language::LANGUAGES.iter().copied().filter(|tag| *tag != "en-XA").collect();
    assert_eq!(ours, there);
}

#[test]
fn a_sentence_of_legal_weight_needs_a_reviewers_mark() {
    let legal = |mark: &str| {
        let text = format!("head\n\n{mark}#: a.slint\nmsgctxt \"legal\"\nmsgid \"Not recorded\"\nmsgstr \"Pas enregistré\"\n");
        catalog::parse(&text).unwrap().1.remove(0)
    };
    assert!(!legal("").may_be_shown());
    assert!(!legal("# reviewed: no\n").may_be_shown());
    let signed = legal("# reviewed-by: A. Name, 2026-11-22\n");
    assert!(signed.may_be_shown());
    assert!(
        catalog::print("head", std::slice::from_ref(&signed)).contains("# reviewed-by: A. Name, 2026-11-22\n"),
        "the mark is kept"
    );
    assert!(Entry { context: String::new(), ..legal("") }.may_be_shown());
}

#[test]
fn what_speaks_of_recording_or_privacy_is_of_legal_weight() {
    let rule = |text: &str| text.starts_with("Rule:");
    for entry in template() {
        let words = entry.id.to_lowercase();
        let weighs = ["record", "watched by", "private"].iter().any(|w| words.contains(w));
        assert!(entry.context == catalog::LEGAL || !weighs || rule(&entry.id), "{:?} is said without weight", entry.id);
    }
}

#[test]
fn the_pseudo_locale_is_longer_and_keeps_placeholders() {
    assert_eq!(catalog::longer("Back"), "[Báçk~~]");
    let kept = catalog::longer("{0} at {name}: \\\"x\\\"");
    assert!(kept.starts_with("[{0} át {name}: \\\"x\\\"") && kept.ends_with("~]"), "{kept}");
    assert!(catalog::pseudo(&template()).iter().all(|e| e.may_be_shown() && e.texts.iter().all(|t| t.starts_with('['))));
    let long = catalog::longer("Waiting for the connection.");
    assert_eq!(long.chars().count(), 27 + 11 + 2 + 2, "{long}");
}

#[test]
fn what_is_no_list_is_refused() {
    for text in ["", "head\n\nmsgid no quotes\n", "head\n\nmsgstr \"x\"\n", "head\n\nnonsense\n"] {
        assert!(catalog::parse(text).is_err(), "{text:?}");
    }
}
