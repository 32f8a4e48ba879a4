//! Owns: that scripts explain themselves and that the test stages fit into their time.
//! Never: runs a stage.
//! Called by: the house tests.

use std::path::PathBuf;
use std::process::Command;

use parloir_house::{files, root, text};

/// Most seconds of all stages together, the box in a machine and its updates among them.
const ALL_STAGES: u64 = 80 * 60;

fn scripts() -> Vec<PathBuf> {
    files().into_iter().filter(|path| path.starts_with("scripts") && path.extension().is_none()).collect()
}

#[test]
fn every_script_explains_itself_and_does_nothing_else_when_asked_to() {
    assert!(scripts().len() >= 4, "{:?}", scripts());
    for script in scripts() {
        let told = Command::new(root().join(&script)).arg("--help").output().expect("the script runs");
        let words = String::from_utf8_lossy(&told.stdout).into_owned();
        assert!(told.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&told.stderr));
        assert!(
            words.contains(&script.display().to_string()),
            "{} --help does not show how to call it: {words}",
            script.display()
        );
    }
}

#[test]
fn scripts_are_short() {
    for script in scripts() {
        let lines = text(&script).lines().count();
        assert!(lines <= 150, "{}: {lines} of 150 lines", script.display());
    }
}

#[test]
fn the_stages_fit_into_their_time() {
    let listed = Command::new(root().join("scripts/test")).arg("--list").output().expect("scripts/test --list runs");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let budgets: Vec<u64> = text
        .lines()
        .skip(1)
        .map(|line| {
            let column = line.split_whitespace().nth(1).unwrap_or_default();
            column.trim_end_matches('s').parse().unwrap_or_else(|_| panic!("no budget in {line}"))
        })
        .collect();
    assert!(budgets.len() >= 6, "{text}");
    let sum: u64 = budgets.iter().sum();
    assert!(sum <= ALL_STAGES, "{sum} of {ALL_STAGES} s");
}

#[test]
fn ci_runs_scripts_test_and_nothing_else() {
    let text = text(&PathBuf::from(".ci/run"));
    let commands: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    assert!(commands[1].contains("scripts/test"));
}

#[test]
fn commands_in_the_docs_are_commands_that_are_there() {
    let mut seen = 0;
    for page in files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        for command in commands(&text(&page)) {
            let mut words = command.split_whitespace();
            let script = words.next().unwrap_or_default();
            let told = Command::new(root().join(script)).arg("--help").output();
            let help = told.map(|t| String::from_utf8_lossy(&t.stdout).into_owned()).unwrap_or_default();
            for flag in words.take_while(|word| *word != "#").filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{}: {command}: {script} --help does not know {flag}", page.display());
            }
            assert!(!help.is_empty(), "{}: {command}: no such script", page.display());
            seen += 1;
        }
    }
    assert!(seen >= 3, "only {seen} commands were found in the docs");
}

/// What follows `scripts/` in code blocks and between backquotes.
fn commands(text: &str) -> Vec<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let lines = quoted.flat_map(str::lines);
    lines.map(str::trim).filter(|line| line.starts_with("scripts/") && !line.ends_with(".sh")).map(str::to_owned).collect()
}
