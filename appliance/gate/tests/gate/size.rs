//! Owns: the budget of gate: at most 600 lines of code, door drivers counted; tests, comments, blank lines and bench doors not.
//! Never: a mock of gate; it is the real binary, or the real function.
//! Called by: `cargo test -p parloir-gate --features bench`.

use std::path::Path;

#[test]
fn gate_has_at_most_600_lines_of_code() {
    let sources = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("src").flatten();
    let files = sources.map(|entry| entry.path()).filter(|path| !path.ends_with("bench.rs"));
    let lines: usize = files.map(|path| code_lines(&std::fs::read_to_string(path).expect("source"))).sum();
    assert!((300..=600).contains(&lines), "{lines} lines of code");
}

/// Lines that are neither blank nor a comment, nor of an item that only the feature `bench` compiles.
fn code_lines(source: &str) -> usize {
    let lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let (mut count, mut bench, mut depth) = (0, false, 0);
    for line in lines {
        if line == "#[cfg(feature = \"bench\")]" {
            (bench, depth) = (true, 0);
        } else if bench {
            let of = |set: &str| line.chars().filter(|c| set.contains(*c)).count();
            depth = depth + of("([{") - of(")]}");
            bench = depth > 0 || !line.ends_with([';', '}', ',']);
        } else {
            count += 1;
        }
    }
    count
}

#[test]
fn bench_items_are_not_counted_and_everything_else_is() {
    let source =
        "//! x\n\nuse a;\n#[cfg(feature = \"bench\")]\nif let Some(x) = y {\n    z();\n}\nfn f() {\n    // no\n    g();\n}\n";
    assert_eq!(code_lines(source), 4);
}
