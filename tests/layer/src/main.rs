//! Owns: the words of `scripts/layer static`, `unpack` and `crates`.
//! Never: a check of its own.
//! Called by: `scripts/layer`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use parloir_layer::checks::{ALL, CRATES, Context, crates_list};
use parloir_layer::manifest::Manifest;
use parloir_layer::tools::Tools;
use parloir_layer::tree::Tree;
use parloir_layer::unpack;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["static", ref names @ ..] => look(names),
        ["unpack"] => prove(),
        ["crates"] => crates(),
        _ => Err("parloir-layer static [CHECK...] | unpack | crates: start it by scripts/layer".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// A directory of our own in the target directory.
fn scratch(name: &str) -> Result<PathBuf, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| parloir_house::root().join("target"), PathBuf::from);
    let dir = target.join("layer").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|why| format!("{}: {why}", dir.display()))?;
    Ok(dir)
}

fn look(names: &[&str]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !ALL.iter().any(|check| check.name == **name)) {
        return Err(format!("no check is called {unknown}; scripts/layer static lists them"));
    }
    let tree = Tree::of_the_repository().map_err(|why| why.to_string())?;
    let dir = scratch("static")?;
    for start in ["yocto-layer/", "systemd/", "tests/"] {
        tree.write(start, &dir).map_err(|why| why.to_string())?;
    }
    let chosen = ALL.iter().filter(|check| names.is_empty() || names.contains(&check.name));
    let tools = chosen.clone().any(|check| check.heavy).then(Tools::find).transpose()?;
    let manifest = Manifest::of(&tree, &dir.join("manifest")).map_err(|why| why.to_string())?;
    let with = Context { tree: &tree, dir: &dir, tools: tools.as_ref(), manifest: &manifest };
    let mut all = 0;
    for check in chosen {
        let start = Instant::now();
        let faults = (check.run)(&with);
        let said = if faults.is_empty() { "ok" } else { "FAULT" };
        println!("{:<8} {said:<5} {:>5.1} s  {}", check.name, start.elapsed().as_secs_f32(), check.what);
        for fault in &faults {
            println!("  {fault}");
        }
        all += faults.len();
    }
    if all > 0 { Err(format!("{all} faults in yocto-layer/")) } else { Ok(()) }
}

fn prove() -> Result<(), String> {
    let tree = Tree::of_the_repository().map_err(|why| why.to_string())?;
    let home = scratch("unpack")?;
    let listed = unpack::listed(&tree)?;
    let count = unpack::unpack(&listed, &cargo_home()?, &home)?;
    let packages = unpack::resolve(&parloir_house::root(), &home)?;
    println!(
        "{count} crates of {CRATES} are there by name and checksum; cargo metadata --frozen resolves {packages} packages from them alone"
    );
    let told = without(&home, &listed);
    // As large as the crates are.
    let _ = std::fs::remove_dir_all(&home);
    told
}

/// Takes a crate away, and looks whether Cargo misses it: the first of the list, one in the middle and the last.
fn without(home: &Path, listed: &[unpack::Crate]) -> Result<(), String> {
    for one in [listed.first(), listed.get(listed.len() / 2), listed.last()].into_iter().flatten() {
        let (away, kept) = (home.join(format!("bitbake/{}-{}", one.name, one.version)), home.join("away"));
        std::fs::rename(&away, &kept).map_err(|why| format!("{}: {why}", away.display()))?;
        if unpack::resolve(&parloir_house::root(), home).is_ok() {
            return Err(format!(
                "cargo resolves without {} {}: it takes it from elsewhere, so the proof is none",
                one.name, one.version
            ));
        }
        println!("without {} {} it does not resolve", one.name, one.version);
        std::fs::rename(&kept, &away).map_err(|why| format!("{}: {why}", away.display()))?;
    }
    Ok(())
}

fn cargo_home() -> Result<PathBuf, String> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.filter(|path| Path::new(path).join("registry/cache").is_dir())
        .ok_or_else(|| "Cargo has fetched nothing: cargo fetch --locked".to_owned())
}

fn crates() -> Result<(), String> {
    let root = parloir_house::root();
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).map_err(|why| format!("Cargo.lock: {why}"))?;
    let list = crates_list("parloir", &lock)?;
    let file = root.join(CRATES);
    let changed = std::fs::read_to_string(&file).unwrap_or_default() != list;
    if changed {
        std::fs::write(&file, &list).map_err(|why| format!("{CRATES}: {why}"))?;
    }
    println!("{CRATES}: {} crates, {}", list.matches("crate://").count(), if changed { "written" } else { "as it was" });
    Ok(())
}
