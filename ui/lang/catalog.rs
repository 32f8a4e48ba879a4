//! Owns: the form of a list of translations (a subset of gettext's PO), which of them may be shown, and the pseudo-locale.
//! Never: a translation.
//! Called by: ../build.rs (what goes into the binary), ../tests/translation.rs.

use std::fmt::Write as _;

/// A sentence of this context has legal weight: its translation is shown only with a reviewer's mark.
pub const LEGAL: &str = "legal";

/// One sentence; texts as they are written, with their escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Files that say it.
    pub places: String,
    /// Who signed the translation, from `# reviewed-by: NAME, DATE`.
    pub reviewed_by: Option<String>,
    /// Tells apart what is the same word in English.
    pub context: String,
    /// The English sentence.
    pub id: String,
    /// Its plural.
    pub plural: Option<String>,
    /// The translation: one, or one for each plural form.
    pub texts: Vec<String>,
}

impl Entry {
    /// What makes it the same sentence.
    pub fn key(&self) -> (String, String, Option<String>) {
        (self.context.clone(), self.id.clone(), self.plural.clone())
    }

    /// Whether all of it is translated.
    pub fn is_translated(&self) -> bool {
        !self.texts.is_empty() && self.texts.iter().all(|t| !t.is_empty())
    }

    /// Whether the translation may be shown. Else the screen says it in English, beside its pictogram.
    pub fn may_be_shown(&self) -> bool {
        self.is_translated() && (self.context != LEGAL || self.reviewed_by.is_some())
    }
}

/// Reads a list: the head as it is, and the entries. Every string stands on one line.
///
/// # Errors
/// A line that is none of these.
pub fn parse(text: &str) -> Result<(String, Vec<Entry>), String> {
    let mut blocks = text.split("\n\n").filter(|b| !b.trim().is_empty());
    let head = blocks.next().ok_or("no head")?.trim_end().to_owned();
    Ok((head, blocks.map(entry).collect::<Result<_, _>>()?))
}

fn entry(block: &str) -> Result<Entry, String> {
    let mut entry = Entry::default();
    for line in block.lines().filter(|l| !l.is_empty()) {
        let quoted = |rest: &str| rest.trim().strip_prefix('"').and_then(|r| r.strip_suffix('"')).map(str::to_owned);
        let (word, rest) = line.split_once(' ').ok_or_else(|| format!("not understood: {line}"))?;
        let value = || quoted(rest).ok_or_else(|| format!("no string: {line}"));
        match word {
            "#:" => entry.places = rest.to_owned(),
            "#" => entry.reviewed_by = rest.strip_prefix("reviewed-by: ").map(str::to_owned).or(entry.reviewed_by),
            "msgctxt" => entry.context = value()?,
            "msgid" => entry.id = value()?,
            "msgid_plural" => entry.plural = Some(value()?),
            "msgstr" | "msgstr[0]" | "msgstr[1]" => entry.texts.push(value()?),
            _ => return Err(format!("not understood: {line}")),
        }
    }
    if entry.id.is_empty() { Err(format!("no msgid in: {block}")) } else { Ok(entry) }
}

/// Writes a list.
pub fn print(head: &str, entries: &[Entry]) -> String {
    let mut out = format!("{head}\n");
    for entry in entries {
        out.push('\n');
        if let Some(name) = &entry.reviewed_by {
            let _ = writeln!(out, "# reviewed-by: {name}");
        }
        if !entry.places.is_empty() {
            let _ = writeln!(out, "#: {}", entry.places);
        }
        if !entry.context.is_empty() {
            let _ = writeln!(out, "msgctxt \"{}\"", entry.context);
        }
        let _ = writeln!(out, "msgid \"{}\"", entry.id);
        match &entry.plural {
            Some(plural) => {
                let _ = writeln!(out, "msgid_plural \"{plural}\"");
                for (n, text) in entry.texts.iter().enumerate() {
                    let _ = writeln!(out, "msgstr[{n}] \"{text}\"");
                }
            }
            None => {
                let _ = writeln!(out, "msgstr \"{}\"", entry.texts.first().map_or("", String::as_str));
            }
        }
    }
    out
}

/// The pseudo-locale of a list: whoever reads it sees what did not go through translation, and what does not fit when words get longer.
pub fn pseudo(entries: &[Entry]) -> Vec<Entry> {
    let of = |entry: &Entry| {
        let texts = std::iter::once(&entry.id).chain(&entry.plural).map(|t| longer(t)).collect();
        Entry { texts, reviewed_by: Some("nobody: made by build.rs".into()), ..entry.clone() }
    };
    entries.iter().map(of).collect()
}

/// Accents on what carries them, 40 % more, in brackets. Placeholders and escapes stay.
pub fn longer(text: &str) -> String {
    let (mut out, mut letters, mut inside, mut escaped) = (String::from("["), 0_usize, false, false);
    for c in text.chars() {
        inside = inside && c != '}' || c == '{';
        let plain = inside || escaped || c == '}';
        letters += usize::from(!plain);
        out.push(if plain { c } else { accent(c) });
        escaped = c == '\\' && !escaped;
    }
    let more = (letters * 2).div_ceil(5);
    for n in 0..more {
        // In words of their own, so that lines break where they would.
        if n % 6 == 0 && letters > 10 {
            out.push(' ');
        }
        out.push('~');
    }
    out.push(']');
    out
}

fn accent(c: char) -> char {
    const PLAIN: &str = "aceinosuyzACEINOSUYZ";
    const ACCENTED: &str = "áçéíñöšüýžÁÇÉÍÑÖŠÜÝŽ";
    PLAIN.chars().position(|p| p == c).and_then(|n| ACCENTED.chars().nth(n)).unwrap_or(c)
}
