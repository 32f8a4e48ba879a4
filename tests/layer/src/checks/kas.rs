//! Owns: the kas files: kas' own schema, commits that are whole and the same everywhere, hosts that are public.
//! Never: fetches a repository.
//! Called by: `scripts/layer static`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Context;
use crate::tree::Tree;
use crate::{Book, Fault};

/// Kas files of the tree: those that can be started and those that are only included.
pub(crate) fn files(tree: &Tree) -> Vec<String> {
    let all = tree.below("kas/").chain(tree.below("yocto-layer/kas/"));
    all.filter(|path| path.ends_with(".yml") && !path.ends_with(".lock.yml")).map(str::to_owned).collect()
}

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("kas");
    let Some(tools) = with.tools else { return book.faults };
    let files = files(with.tree);
    book.hold(!files.is_empty(), "kas", "no kas file is there", "write one for each machine");
    let mut pinned: BTreeMap<String, (String, String)> = BTreeMap::new();
    for file in &files {
        match tools.kas(with.dir, file) {
            Err(why) => book.fault(file, last(&why), "correct it; `kas dump` says it all"),
            Ok(all) => pins(&mut book, file, &all, &mut pinned),
        }
    }
    book.faults
}

/// The line of kas that says it, not those of its log.
fn last(words: &str) -> String {
    let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = lines.iter().find(|line| !line.contains(" - INFO ") && !line.contains(" - ERROR "));
    (*said.or(lines.last()).unwrap_or(&"kas refuses it")).to_owned()
}

fn pins(book: &mut Book, file: &str, all: &Value, pinned: &mut BTreeMap<String, (String, String)>) {
    for (name, repository) in all["repos"].as_object().into_iter().flatten() {
        let Some(url) = repository["url"].as_str() else { continue };
        let commit = repository["commit"].as_str().unwrap_or_default();
        let whole = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
        book.hold(
            whole,
            format!("{file}: {name}"),
            format!("its commit is `{commit}`: another build would take something else"),
            "pin all 40 digits",
        );
        book.hold(url.starts_with("https://"), format!("{file}: {name}"), format!("{url} is not https"), "take it by https");
        let before = pinned.entry(name.clone()).or_insert_with(|| (commit.to_owned(), file.to_owned()));
        book.hold(
            before.0 == commit,
            format!("{file}: {name}"),
            format!("{} pins {} and this one {commit}", before.1, before.0),
            "pin one commit everywhere",
        );
    }
    for floating in ["refspec", "tag"] {
        let named = all["repos"].as_object().into_iter().flatten().filter(|(_, one)| one.get(floating).is_some());
        for (name, _) in named {
            book.fault(format!("{file}: {name}"), format!("it names a {floating}, which can move"), "name a commit");
        }
    }
}
