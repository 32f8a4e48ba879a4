//! Owns: reading recipes, appends and configuration as far as this layer uses their language: assignments, overrides, functions.
//! Never: BitBake's word: what needs inline Python stays unexpanded, and `scripts/layer graph` asks the real one.
//! Called by: the checks and the manifest.

use std::collections::BTreeMap;

use crate::tree::Tree;

/// One assignment: `KEY[flag] OPERATOR "value"`, `KEY` with its overrides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// File it stands in.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Variable with overrides, as written.
    pub key: String,
    /// `[flag]`, if any.
    pub flag: Option<String>,
    /// `=`, `:=`, `?=`, `??=`, `+=`, `=+`, `.=` or `=.`.
    pub operator: &'static str,
    /// What is between the quotes, continued lines joined.
    pub value: String,
}

impl Assignment {
    /// Parts between colons.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.key.split(':')
    }
}

/// A recipe, append, class or configuration file with what of this layer it requires, in order.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    /// Where it begins.
    pub file: String,
    /// In order.
    pub assignments: Vec<Assignment>,
    /// Bodies of shell functions, under their name as written (`do_install:append`), in order.
    pub functions: Vec<(String, String)>,
    /// Classes.
    pub inherits: Vec<String>,
    /// Files that it names with `require` or `include`, as written.
    pub requires: Vec<String>,
    /// Overrides that are active, weakest first.
    pub overrides: Vec<String>,
    /// What a name stands for that no file of this layer sets.
    pub defaults: BTreeMap<String, String>,
}

const OPERATORS: &[&str] = &["??=", ":=", "?=", "+=", "=+", ".=", "=.", "="];

impl Recipe {
    /// Reads a file of the layer; `defaults` are what the rest of the world sets, `overrides` those that are active.
    #[must_use]
    pub fn read(tree: &Tree, file: &str, overrides: &[&str], defaults: &BTreeMap<String, String>) -> Self {
        let mut recipe = Self {
            file: file.to_owned(),
            overrides: overrides.iter().map(|&name| name.to_owned()).collect(),
            defaults: defaults.clone(),
            ..Self::default()
        };
        let name = file.rsplit('/').next().unwrap_or(file);
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let (pn, pv) = stem.split_once('_').unwrap_or((stem, "1.0"));
        for (key, value) in [("PN", pn), ("BPN", pn), ("PV", pv)] {
            recipe.defaults.insert(key.to_owned(), value.to_owned());
        }
        recipe.defaults.insert("BP".to_owned(), format!("{pn}-{pv}"));
        recipe.overrides.push(format!("pn-{pn}"));
        recipe.take(tree, file);
        recipe
    }

    fn take(&mut self, tree: &Tree, file: &str) {
        let text = tree.text(file);
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let mut whole = line.to_owned();
            while whole.ends_with('\\') {
                whole.pop();
                let Some((_, more)) = lines.next() else { break };
                whole.push_str(more);
            }
            if let Some(name) = function(&whole) {
                let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "}").collect();
                self.functions.push((name, body.join("\n")));
            } else if let Some(words) = directive(&whole, &["inherit", "inherit_defer"]) {
                self.inherits.extend(words.split_whitespace().map(str::to_owned));
            } else if let Some(words) = directive(&whole, &["require", "include"]) {
                let wanted = self.expand(words.trim());
                self.requires.push(wanted.clone());
                if let Some(path) = found(tree, file, &wanted) {
                    self.take(tree, &path);
                }
            } else if let Some(mut assignment) = assignment(&whole) {
                if assignment.operator == ":=" {
                    let dir = file.rsplit_once('/').map_or("", |(dir, _)| dir);
                    assignment.value = assignment.value.replace("${THISDIR}", dir);
                }
                assignment.file = file.to_owned();
                assignment.line = number + 1;
                self.assignments.push(assignment);
            }
        }
    }

    /// The value of a variable, expanded; nothing where no file sets it.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.raw(name).map(|text| self.expand(&text))
    }

    /// Its words.
    #[must_use]
    pub fn words(&self, name: &str) -> Vec<String> {
        self.value(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    }

    /// The value of a flag, of the last line that sets it.
    #[must_use]
    pub fn flag(&self, name: &str, flag: &str) -> Option<String> {
        let set = self.assignments.iter().rev().find(|a| a.flag.as_deref() == Some(flag) && self.key(a) == name)?;
        Some(self.expand(&set.value))
    }

    /// Replaces `${NAME}` as often as something is known; the rest stays.
    #[must_use]
    pub fn expand(&self, text: &str) -> String {
        self.expand_within(text, 0)
    }

    fn expand_within(&self, text: &str, depth: usize) -> String {
        let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
        let Some(end) = closing(rest) else { return text.to_owned() };
        let (name, after) = (&rest[..end], &rest[end + 1..]);
        let known = match name.strip_prefix('@') {
            _ if depth > 20 => None,
            Some(python) => self.contains(python),
            None => self.raw(name),
        };
        let value = known.map_or_else(|| format!("${{{name}}}"), |value| self.expand_within(&value, depth + 1));
        format!("{before}{value}{}", self.expand_within(after, depth))
    }

    /// The one piece of Python that is understood: `bb.utils.contains('NAME', 'words', 'if so', 'if not', d)`.
    fn contains(&self, python: &str) -> Option<String> {
        let arguments = python.trim().strip_prefix("bb.utils.contains(")?.strip_suffix(", d)")?;
        let strings: Vec<&str> = arguments.split('\'').skip(1).step_by(2).collect();
        let [name, wanted, so, otherwise] = strings[..] else { return None };
        let there = self.words(name);
        let all = wanted.split_whitespace().all(|word| there.iter().any(|own| own == word));
        Some(if all { so } else { otherwise }.to_owned())
    }

    /// The key of an assignment with the recipe's own names put in: `RDEPENDS:${PN}-x`.
    #[must_use]
    pub fn key(&self, assignment: &Assignment) -> String {
        let mut key = assignment.key.clone();
        for name in ["PN", "BPN", "PV", "BP"] {
            let value = self.defaults.get(name).map_or("", String::as_str);
            key = key.replace(&format!("${{{name}}}"), value);
        }
        key
    }

    fn raw(&self, name: &str) -> Option<String> {
        let mut base: Option<String> = None;
        let mut weak: Option<String> = None;
        // Which override decided: those of a stronger one are taken instead.
        let mut strength = 0;
        let (mut before, mut behind, mut without) = (Vec::new(), Vec::new(), Vec::new());
        for assignment in self.assignments.iter().filter(|a| a.flag.is_none()) {
            let key = self.key(assignment);
            let Some(rest) = key.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with(':')) else { continue };
            let parts: Vec<&str> = rest.split(':').filter(|part| !part.is_empty()).collect();
            let change = parts.iter().position(|part| ["append", "prepend", "remove"].contains(part));
            let conditions = parts.iter().filter(|part| !["append", "prepend", "remove"].contains(part));
            let mut ranks = conditions.map(|part| self.overrides.iter().position(|own| own == part).map(|at| at + 1));
            let Some(rank) = ranks.try_fold(0, |most, rank| rank.map(|rank| most.max(rank))) else { continue };
            let value = assignment.value.clone();
            match change.map(|at| parts[at]) {
                Some("append") => behind.push(value),
                Some("prepend") => before.push(value),
                Some(_) => without.push(value),
                None if rank < strength => {}
                None => {
                    if rank > strength {
                        (strength, base) = (rank, None);
                    }
                    set(&mut base, &mut weak, assignment.operator, value);
                }
            }
        }
        let base = base.or(weak).or_else(|| self.defaults.get(name).cloned());
        if base.is_none() && before.is_empty() && behind.is_empty() {
            return None;
        }
        let text = format!("{}{}{}", before.concat(), base.unwrap_or_default(), behind.concat());
        if without.is_empty() {
            return Some(text);
        }
        let gone: Vec<String> = without
            .iter()
            .flat_map(|words| self.expand(words).split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let text = self.expand(&text);
        Some(text.split_whitespace().filter(|word| !gone.iter().any(|other| other == word)).collect::<Vec<_>>().join(" "))
    }
}

/// Where the brace that was opened before this text is closed.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

fn set(base: &mut Option<String>, weak: &mut Option<String>, operator: &str, value: String) {
    let old = base.clone().or_else(|| weak.clone()).unwrap_or_default();
    match operator {
        "??=" => *weak = Some(value),
        "?=" if base.is_some() => {}
        "+=" => *base = Some(format!("{old} {value}")),
        "=+" => *base = Some(format!("{value} {old}")),
        ".=" => *base = Some(format!("{old}{value}")),
        "=." => *base = Some(format!("{value}{old}")),
        _ => *base = Some(value),
    }
}

/// The name of a shell or Python function that begins in this line.
fn function(line: &str) -> Option<String> {
    let head = line.trim_end().strip_suffix('{')?.trim_end().strip_suffix("()")?;
    let name = head.split_whitespace().last()?;
    (!head.starts_with(char::is_whitespace)).then(|| name.to_owned())
}

fn directive<'a>(line: &'a str, names: &[&str]) -> Option<&'a str> {
    let (word, rest) = line.split_once(char::is_whitespace)?;
    names.contains(&word).then_some(rest)
}

fn assignment(line: &str) -> Option<Assignment> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (head, rest) = line.split_at(line.find(['"', '\''])?);
    let head = head.trim_end();
    let operator = OPERATORS.iter().find(|operator| head.ends_with(**operator))?;
    let left = head.strip_suffix(operator)?.trim();
    let value = rest.trim_end();
    let value = value.get(1..value.len().checked_sub(1)?)?;
    let (key, flag) = match left.split_once('[') {
        Some((key, flag)) => (key, Some(flag.trim_end_matches(']').to_owned())),
        None => (left, None),
    };
    let name = key.chars().all(|c| c.is_alphanumeric() || "-_:.+${}/".contains(c)) && !key.is_empty();
    name.then(|| Assignment { file: String::new(), line: 0, key: key.to_owned(), flag, operator, value: value.to_owned() })
}

/// The file of the layer that `require` means: beside the one that says so, or below the root of the layer.
fn found(tree: &Tree, from: &str, wanted: &str) -> Option<String> {
    let beside = from.rsplit_once('/').map_or_else(|| wanted.to_owned(), |(dir, _)| format!("{dir}/{wanted}"));
    [beside, format!("yocto-layer/{wanted}")].into_iter().find(|path| tree.has(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str, overrides: &[&str]) -> Recipe {
        let mut tree = Tree::default();
        tree.put("yocto-layer/a/b_1.2.bb", text);
        Recipe::read(&tree, "yocto-layer/a/b_1.2.bb", overrides, &BTreeMap::new())
    }

    #[test]
    fn values_follow_the_manual() {
        let one = recipe(
            "A = \"1\"\nA += \"2\"\nA:append = \" 3 ${PV}\"\nA:prepend = \"0 \"\nA:remove = \"2\"\nB ??= \"weak\"\nC ?= \"first\"\nC ?= \"second\"\n",
            &[],
        );
        assert_eq!(one.value("A").as_deref(), Some("0 1 3 1.2"));
        assert_eq!(one.value("B").as_deref(), Some("weak"));
        assert_eq!(one.value("C").as_deref(), Some("first"));
        assert_eq!(one.value("D"), None);
    }

    #[test]
    fn overrides_count_only_where_they_are_active() {
        let text = "A = \"all\"\nA:parloir = \"ours\"\nA:append:other = \" no\"\nA:append:parloir = \" yes\"\n";
        assert_eq!(recipe(text, &["parloir"]).value("A").as_deref(), Some("ours yes"));
        assert_eq!(recipe(text, &[]).value("A").as_deref(), Some("all"));
    }

    #[test]
    fn lists_go_over_lines_and_packages_have_names() {
        let one = recipe("F:${PN}-x = \"\\\n    /a \\\n    /b \\\n\"\nF:${PN} = \"/c\"\nG[x] = \"flag\"\n", &[]);
        assert_eq!(one.words("F:b-x"), ["/a", "/b"]);
        assert_eq!(one.words("F:b"), ["/c"]);
        assert_eq!(one.flag("G", "x").as_deref(), Some("flag"));
    }

    #[test]
    fn contains_is_understood_and_other_python_is_left() {
        let text = "F = \"efi va\"\nV = \"x\"\nA = \"${@bb.utils.contains('F', 'efi', ' yes ${V}', '', d)}\"\nB = \"${@bb.utils.contains('F', 'tpm', 'yes', 'no', d)}\"\nC = \"${@1 + 1}\"\n";
        let one = recipe(text, &[]);
        assert_eq!(one.value("A").as_deref(), Some(" yes x"));
        assert_eq!(one.value("B").as_deref(), Some("no"));
        assert_eq!(one.value("C").as_deref(), Some("${@1 + 1}"));
    }

    #[test]
    fn functions_and_classes_are_read() {
        let one = recipe("inherit cargo systemd\ndo_install:append() {\n    if x; then\n        y\n    fi\n}\nA = \"1\"\n", &[]);
        assert_eq!(one.inherits, ["cargo", "systemd"]);
        assert_eq!(one.functions, [("do_install:append".to_owned(), "    if x; then\n        y\n    fi".to_owned())]);
        assert_eq!(one.value("A").as_deref(), Some("1"));
    }
}
