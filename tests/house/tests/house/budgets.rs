//! Owns: sizes that keep rooms livable: files and functions (gate as a whole is held by its own tests).
//! Never: counts blank lines as code.
//! Called by: the house tests.

use parloir_house::{files_ending, text};

/// Most lines of a Rust file.
const FILE: usize = 600;
/// Most lines of a function.
const FUNCTION: usize = 80;
/// Nine functions of ten are at most this long.
const MOST_FUNCTIONS: usize = 35;
/// Most lines of a Slint file.
const SLINT: usize = 200;

#[test]
fn files_keep_their_budget() {
    let mut over = Vec::new();
    for (ending, most) in [("rs", FILE), ("slint", SLINT)] {
        for path in files_ending(ending) {
            let lines = text(&path).lines().count();
            if lines > most {
                over.push(format!("{}: {lines} of {most} lines", path.display()));
            }
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}

#[test]
fn functions_keep_their_budget() {
    let mut lengths: Vec<(usize, String)> = Vec::new();
    for path in files_ending("rs") {
        lengths.extend(functions(&text(&path)).into_iter().map(|(name, lines)| (lines, format!("{}::{name}", path.display()))));
    }
    lengths.sort();
    assert!(lengths.len() > 100, "only {} functions were found", lengths.len());
    let over: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > FUNCTION).collect();
    assert!(over.is_empty(), "{over:#?}");
    let p90 = &lengths[lengths.len() * 9 / 10];
    assert!(p90.0 <= MOST_FUNCTIONS, "nine of ten functions have up to {} lines ({})", p90.0, p90.1);
}

/// Functions of a file in rustfmt's form with their lines: the closing brace stands below the first letter of the signature.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let closing = format!("{indent}}}");
        // A signature that ends in `;` before any body is a declaration.
        let body = lines[at..].iter().position(|l| l.ends_with('{') || l.ends_with('}') || l.ends_with(';'));
        let Some(body) = body.filter(|b| lines[at + b].ends_with('{')) else { continue };
        if let Some(end) = lines[at + body..].iter().position(|l| *l == closing) {
            found.push((name, body + end + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    for word in words.by_ref() {
        match word {
            "fn" => break,
            "pub" | "async" | "const" | "unsafe" | "extern" | "\"C\"" => {}
            _ if word.starts_with("pub(") => {}
            _ => return None,
        }
    }
    let name: String = words.next()?.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

#[test]
fn a_function_is_measured_from_its_signature_to_its_brace() {
    let text =
        "fn one() {\n    two();\n}\n    pub async fn three(\n        a: u8,\n    ) {\n        four();\n    }\nfn declared();\n";
    assert_eq!(functions(text), [("one".to_owned(), 3), ("three".to_owned(), 5)]);
}
