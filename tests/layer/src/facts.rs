//! Owns: the list of facts (systemd/facts.toml), and whether they hold in an image: that of the layer, or a root on disk.
//! Never: a second list; what stands in `cells.toml`, `masked` or `sysusers.d` is read there.
//! Called by: the check `facts`, tests/layer/tests/whole_facts.rs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use parloir_bench::cells::Cells;
use serde::Deserialize;

use crate::manifest::{Installed, Manifest};
use crate::tree::Tree;
use crate::{Book, Fault};

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Of this form.
    pub version: u32,
    /// What of `systemd/` lies where.
    pub place: Vec<Place>,
    /// Where the programs of the cells lie.
    pub programs: To,
    /// Where masks lie.
    pub masked: To,
    /// Accounts.
    pub users: Users,
    /// The kernel's command line.
    pub cmdline: Cmdline,
    /// The disk.
    pub disk: Disk,
    /// What packages of others must bring.
    pub must: Vec<Must>,
    /// What must not be there.
    pub never: Vec<Never>,
}

/// A file of somebody else's package that must be there, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Must {
    /// A whole path, or the name of a file wherever it lies.
    pub file: String,
    /// The layer's package that brings it.
    pub package: String,
    /// Why.
    pub what: String,
}

/// A directory of `systemd/` and one of the image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Below `systemd/`.
    pub from: String,
    /// Absolute.
    pub to: String,
    /// End of the names that count.
    #[serde(default)]
    pub only: String,
}

/// A directory of the image.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct To {
    /// Absolute.
    pub to: String,
}

/// What every account has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// One of these.
    pub shells: Vec<String>,
}

/// What the command line has and has not.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cmdline {
    /// Each is there.
    pub words: Vec<String>,
    /// No word begins so.
    pub never: Vec<String>,
}

/// The disk's table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Names, in order.
    pub partitions: Vec<String>,
}

/// What must not be there, and why.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Never {
    /// Why, as a property of the thing.
    pub what: String,
    /// Names of files, wherever.
    #[serde(default)]
    pub names: Vec<String>,
    /// Absolute paths.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Bits of the mode, octal.
    #[serde(default)]
    pub mode: String,
}

/// What must be there.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// A file with that in it.
    File(&'a [u8]),
    /// A link that leads there.
    Link(&'a str),
    /// A program, which the build makes.
    Program,
}

impl Facts {
    /// Reads the list.
    ///
    /// # Errors
    /// It is not of its form; the words say where.
    pub fn read(tree: &Tree) -> Result<Self, String> {
        toml::from_str(tree.text("systemd/facts.toml")).map_err(|why| format!("systemd/facts.toml: {why}"))
    }

    /// Every file of ours that must be there, by its path in the image.
    ///
    /// # Errors
    /// cells.toml cannot be read.
    pub fn expected<'a>(&self, tree: &'a Tree) -> Result<BTreeMap<String, Wanted<'a>>, String> {
        let mut all = BTreeMap::new();
        for place in &self.place {
            let from = format!("systemd/{}/", place.from);
            let files = tree.below("systemd/").filter_map(|path| Some((path, Wanted::File(tree.bytes(path)?))));
            let links = tree.links("systemd/").map(|(path, to)| (path, Wanted::Link(to)));
            for (path, wanted) in files.chain(links) {
                if let Some(name) = path.strip_prefix(&from).filter(|name| name.ends_with(&place.only)) {
                    all.insert(format!("{}/{name}", place.to), wanted);
                }
            }
        }
        let cells = Cells::parse(tree.text("systemd/cells.toml")).map_err(|why| why.to_string())?;
        let ours = cells.cell.iter().filter(|cell| !cell.binary.starts_with('/'));
        all.extend(ours.map(|cell| (format!("{}/{}", self.programs.to, cell.binary), Wanted::Program)));
        Ok(all)
    }

    /// Links that must lead to /dev/null.
    #[must_use]
    pub fn masks(&self, tree: &Tree) -> BTreeSet<String> {
        let lines = tree.text("systemd/masked").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(|line| format!("{}/{line}", self.masked.to)).collect()
    }

    /// Why this file must not be there, if it must not.
    #[must_use]
    pub fn forbids(&self, path: &str, mode: u32) -> Option<&str> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let hit = |never: &&Never| {
            let bits = u32::from_str_radix(&never.mode, 8).unwrap_or(0);
            never.names.iter().any(|glob| matches(glob, name))
                || never.paths.iter().any(|glob| matches_path(glob, path))
                || mode & bits != 0
        };
        self.never.iter().find(hit).map(|never| never.what.as_str())
    }
}

/// Programs of others that our units name.
fn programs(tree: &Tree) -> BTreeSet<String> {
    let units = tree.below("systemd/units/").flat_map(|path| tree.text(path).lines());
    let words = units.filter(|line| !line.starts_with('#')).flat_map(|line| line.split(['=', ' ']));
    let whole = words.map(|word| word.trim_start_matches(['-', '@', '+', '!', ':']));
    whole.filter(|word| word.starts_with("/usr/bin/") || word.starts_with("/usr/sbin/")).map(str::to_owned).collect()
}

/// A name against a pattern of names: `*`, and `{a,b}`.
#[must_use]
pub fn matches(glob: &str, name: &str) -> bool {
    if let Some((before, rest)) = glob.split_once('{')
        && let Some((choices, after)) = rest.split_once('}')
    {
        return choices.split(',').any(|choice| matches(&format!("{before}{choice}{after}"), name));
    }
    match glob.split_once('*') {
        None => glob == name,
        Some((before, after)) => name
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(after, &rest[at..]))),
    }
}

/// A whole path: `*` stays within a name, `**` at the end takes whatever lies below.
fn matches_path(glob: &str, path: &str) -> bool {
    match glob.strip_suffix("/**") {
        Some(dir) => path.split('/').count() > dir.split('/').count() && crate::manifest::covers(dir, path),
        None => glob.split('/').count() == path.split('/').count() && crate::manifest::covers(glob, path),
    }
}

/// What is there against what must be there, whatever image it is: files with content and mode, and links.
fn hold(book: &mut Book, image: &str, tree: &Tree, facts: &Facts, files: &BTreeMap<String, Installed>) -> Result<(), String> {
    for (path, wanted) in facts.expected(tree)? {
        let at = format!("{image}: {path}");
        let Some(found) = files.get(&path) else {
            book.fault(at, "systemd/facts.toml asks for it and it is not there", "install it");
            continue;
        };
        let same = match wanted {
            Wanted::File(bytes) => found.link.is_none() && same(bytes, &found.bytes),
            Wanted::Link(to) => found.link.as_deref() == Some(to),
            Wanted::Program => found.link.is_none(),
        };
        book.hold(same, at, "it is not what lies in systemd/", "install that file, unchanged");
    }
    for path in facts.masks(tree) {
        let masked = files.get(&path).is_some_and(|one| one.link.as_deref() == Some("/dev/null"));
        book.hold(
            masked,
            format!("{image}: {path}"),
            "systemd/masked asks for a link to /dev/null and there is none",
            "make that link",
        );
    }
    let kept = format!("{}/", facts.programs.to);
    let expected = facts.expected(tree)?;
    for (path, one) in files {
        if let Some(what) = facts.forbids(path, one.mode) {
            book.fault(format!("{image}: {path}"), format!("it must not be there: it {what}"), "take it out");
        }
        if path.starts_with(&kept) {
            book.hold(
                expected.contains_key(path),
                format!("{image}: {path}"),
                "no cell of systemd/cells.toml is this program",
                "take it out, or write the cell",
            );
        }
    }
    Ok(())
}

/// Whether the image's file is that of the tree; `@WORD@` of the tree stands for what a build filled in.
fn same(ours: &[u8], theirs: &[u8]) -> bool {
    let (Ok(ours), Ok(theirs)) = (std::str::from_utf8(ours), std::str::from_utf8(theirs)) else { return ours == theirs };
    let wanted: Vec<&str> = ours.lines().collect();
    let found: Vec<&str> = theirs.lines().collect();
    wanted.len() == found.len() && wanted.iter().zip(&found).all(|(wanted, found)| wanted == found || filled(wanted, found))
}

fn filled(wanted: &str, found: &str) -> bool {
    let parts: Vec<&str> = wanted.split('@').collect();
    let [before, word, after] = parts[..] else { return false };
    let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    is_word && found.len() > before.len() + after.len() && found.starts_with(before) && found.ends_with(after)
}

/// The facts against what the layer's recipes install into the image.
#[must_use]
pub fn of_the_layer(tree: &Tree, manifest: &Manifest) -> Vec<Fault> {
    let mut book = Book::new("facts");
    let files = manifest.in_the_image().map(|(path, one)| (path.to_owned(), one.clone())).collect();
    let held = Facts::read(tree).and_then(|facts| {
        for must in facts.must.iter().filter(|must| !manifest.wanted.contains(&must.package)) {
            let cause = format!("the image does not name {}, which brings {}: {}", must.package, must.file, must.what);
            book.fault("the layer's image", cause, "name it in the packagegroup: a recommendation is not followed");
        }
        for program in programs(tree).iter().filter(|program| !facts.must.iter().any(|must| must.file == **program)) {
            let cause = format!("a unit names {program}, and no `must` of systemd/facts.toml says who brings it");
            book.fault("systemd/units", cause, "write one");
        }
        hold(&mut book, "the layer's image", tree, &facts, &files)
    });
    if let Err(why) = held {
        book.fault("systemd", why, "correct the file");
    }
    book.faults
}

/// The facts against a root on disk.
///
/// # Errors
/// The root cannot be read, or a file of systemd/ is not of its form.
pub fn of_a_root(tree: &Tree, root: &Path) -> Result<Vec<Fault>, String> {
    let mut book = Book::new("facts");
    let facts = Facts::read(tree)?;
    let mut files = BTreeMap::new();
    take(root, root, &mut files).map_err(|why| format!("{}: {why}", root.display()))?;
    hold(&mut book, "the reference image", tree, &facts, &files)?;
    for must in &facts.must {
        let there = files.keys().any(|path| *path == must.file || path.rsplit('/').next() == Some(must.file.as_str()));
        book.hold(there, format!("the reference image: {}", must.file), format!("it is not there: {}", must.what), "take it in");
    }
    let text = |path: &str| files.get(path).map(|one| String::from_utf8_lossy(&one.bytes).into_owned()).unwrap_or_default();
    for line in text("/etc/passwd").lines() {
        let shell = line.rsplit(':').next().unwrap_or_default();
        book.hold(
            facts.users.shells.iter().any(|own| own == shell),
            "the reference image: /etc/passwd",
            format!("{line}: a shell"),
            "give it none",
        );
    }
    for line in text("/etc/shadow").lines() {
        let locked = line.split(':').nth(1).is_some_and(|password| password.starts_with(['!', '*']));
        book.hold(locked, "the reference image: /etc/shadow", format!("{line}: a password"), "lock the account");
    }
    book.hold(files.contains_key("/etc/passwd"), "the reference image: /etc/passwd", "it is not there", "build the image again");
    Ok(book.faults)
}

fn take(root: &Path, dir: &Path, files: &mut BTreeMap<String, Installed>) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(dir)? {
        let path: PathBuf = entry?.path();
        let kind = path.symlink_metadata()?;
        if kind.is_dir() {
            take(root, &path, files)?;
            continue;
        }
        let name = format!("/{}", path.strip_prefix(root).unwrap_or(&path).display());
        let link = fs::read_link(&path).ok().map(|to| to.display().to_string());
        // Only text is compared; the kernel's modules need not be read.
        let small = link.is_none() && kind.len() < 1 << 20;
        let bytes = if small { fs::read(&path)? } else { Vec::new() };
        let mode = if link.is_some() { 0 } else { kind.permissions().mode() & 0o7777 };
        files.insert(name, Installed { recipe: String::new(), package: None, mode, link, bytes });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_what_they_say() {
        assert!(matches("python*", "python3.13") && matches("*.key", "box.key") && !matches("sh", "bash"));
        assert!(matches("lib{a,b}.so", "libb.so") && !matches("lib{a,b}.so", "libc.so"));
        assert!(matches_path("/etc/ssh/**", "/etc/ssh/a/b") && !matches_path("/etc/ssh/**", "/etc/ssh"));
        assert!(
            matches_path("/usr/lib/modules/*/x/**", "/usr/lib/modules/6.12/x/y.ko")
                && !matches_path("/usr/bin/env", "/usr/bin/env/x")
        );
    }

    #[test]
    fn a_filled_word_counts_and_a_changed_line_does_not() {
        assert!(same(b"a\ncompatible=@COMPATIBLE@\n", b"a\ncompatible=parloir-qemu\n"));
        assert!(!same(b"a\ncompatible=@COMPATIBLE@\n", b"b\ncompatible=parloir-qemu\n"));
        assert!(!same(b"compatible=@COMPATIBLE@\n", b"compatible=\n"));
    }
}
