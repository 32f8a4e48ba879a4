//! Owns: `lang/parloir-ui.pot`, the list of what translators translate, made from the @tr of every `.slint` file.
//! Never: a translation. `UPDATE=1` writes the list anew.
//! Called by: cargo test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Words and their plural, and the files that say them.
type Places = BTreeMap<(String, Option<String>), BTreeSet<String>>;

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

fn collect(file: &str, text: &str, places: &mut Places) {
    for (at, _) in text.match_indices("@tr(") {
        let inside = text[at + 4..].trim_start().strip_prefix('"').expect("@tr begins with its words");
        let (one, rest) = string(inside);
        let many = rest.trim_start().strip_prefix('|').map(|r| string(r.trim_start().strip_prefix('"').unwrap()).0);
        places.entry((one, many)).or_default().insert(file.to_owned());
    }
}

fn template() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut paths, mut places) = (Vec::new(), Places::new());
    slint_files(&root.join("slint"), &mut paths);
    paths.sort();
    for path in paths {
        let file = path.strip_prefix(root).unwrap().display().to_string();
        collect(&file, &std::fs::read_to_string(&path).unwrap(), &mut places);
    }
    let mut out = String::from(
        "# Words of the screen, made from slint/ by tests/translation.rs.\nmsgid \"\"\nmsgstr \"\"\n\"Content-Type: text/plain; charset=UTF-8\\n\"\n",
    );
    for ((one, many), files) in places {
        // By file alone: a line that moves is no news for a translator.
        let files: Vec<String> = files.into_iter().collect();
        let _ = write!(out, "\n#: {}\nmsgid \"{one}\"\n", files.join(" "));
        match many {
            Some(many) => out.push_str(&format!("msgid_plural \"{many}\"\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n")),
            None => out.push_str("msgstr \"\"\n"),
        }
    }
    out
}

#[test]
fn the_list_for_translators_is_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("lang/parloir-ui.pot");
    let now = template();
    assert!(now.matches("msgid").count() > 90 && now.contains("msgid_plural \"in {n} minutes\""));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, now).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert_eq!(kept, now, "lang/parloir-ui.pot is not of this source: UPDATE=1 cargo test -p parloir-ui --test translation");
}
