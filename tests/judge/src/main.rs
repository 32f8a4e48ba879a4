//! Owns: the command line of the judge's processes: the course, and the captive when it stands in the place of a cell's binary.
//! Never: does more than to read it and call the library.
//! Called by: the test judge_roles, the bench's supervisor.

use parloir_bench::stage::{Wanted, cache, clips};
use parloir_bench::walls;
use parloir_judge::deeds::{Role, differences, table};
use parloir_judge::{captive, course};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let me = words.next().map(PathBuf::from).unwrap_or_default();
    let name = me.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if let Some(role) = Role::of_binary(&name) {
        return captive::run(role);
    }
    let words: Vec<OsString> = words.collect();
    let done = match words.as_slice() {
        [what, tree, out] if what == "roles" => outside(Path::new(tree), Path::new(out)),
        [what, tree, out] if what == "inside" => inside(Path::new(tree), Path::new(out)),
        _ => {
            Err(io::Error::other("parloir-judge roles TREE OUT: three processes are taken over; the table goes to OUT/table.md"))
        }
    };
    done.unwrap_or_else(|why| {
        eprintln!("judge: {why}");
        ExitCode::FAILURE
    })
}

/// Prepares what the caller owns, then runs this program again within the bench's namespaces.
fn outside(tree: &Path, out: &Path) -> io::Result<ExitCode> {
    clips(&cache()?)?;
    std::fs::create_dir_all(out)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(walls::run_inside(&["inside".into(), tree.into(), out.into()]))
}

fn inside(tree: &Path, out: &Path) -> io::Result<ExitCode> {
    let me = std::env::current_exe()?;
    let wanted = Wanted {
        tree: tree.canonicalize()?,
        bin: me.parent().map(PathBuf::from).unwrap_or_default(),
        cache: cache()?,
        out: out.canonicalize()?,
        headless: true,
        apart: false,
        tamper: None,
        facility: Vec::new(),
        init: Vec::new(),
    };
    let seen = course::run(&wanted, &me).map_err(|halt| io::Error::other(format!("{halt:?}")))?;
    std::fs::write(out.join("table.md"), table(&seen))?;
    let wrong = differences(&seen);
    wrong.iter().for_each(|line| println!("not as declared: {line}"));
    Ok(if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
