//! Owns: the programs of others that the checks start, as `scripts/layer tools` has put them into the target directory.
//! Never: fetches anything.
//! Called by: the checks `lint`, `kas`, `kconfig` and `units`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::tree::Tree;

/// Where they are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Python environment with oelint-adv and kas.
    pub python: PathBuf,
    /// The Kconfig part of a kernel's sources.
    pub linux: PathBuf,
}

impl Tools {
    /// Those in the target directory.
    ///
    /// # Errors
    /// They are not there; the words say how to get them.
    pub fn find() -> Result<Self, String> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| parloir_house::root().join("target"), PathBuf::from);
        let dir = target.join("layer");
        let tools = Self { python: dir.join("python"), linux: dir.join("linux") };
        for need in [tools.python.join("bin/oelint-adv"), tools.python.join("bin/kas"), tools.linux.join("Kconfig")] {
            if !need.exists() {
                return Err(format!("{} is not there: scripts/layer tools", need.display()));
            }
        }
        Ok(tools)
    }

    /// oelint-adv over the whole layer, which lies below `dir`: its findings, one a line.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn oelint(&self, tree: &Tree, dir: &Path) -> Result<Vec<String>, String> {
        let layer = dir.join("yocto-layer");
        let is_recipe = |path: &&str| path.ends_with(".bb") || path.ends_with(".bbappend") || path.ends_with("/layer.conf");
        let files: Vec<String> =
            tree.below("yocto-layer/").filter(is_recipe).map(|path| dir.join(path).display().to_string()).collect();
        let mut command = Command::new(self.python.join("bin/oelint-adv"));
        command.args(["--quiet", "--relpaths", "--jobs=2", "--release=wrynose"]).args(&files).current_dir(&layer);
        let told = run(&mut command)?;
        let words = [told.stderr, told.stdout].concat();
        let mut lines: Vec<String> =
            String::from_utf8_lossy(&words).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        if told.status.success() {
            lines.clear();
        } else if lines.is_empty() {
            lines.push(format!("oelint-adv ended with {}", told.status));
        }
        Ok(lines)
    }

    /// A kas file with all that it includes, checked against kas' own schema; nothing is fetched.
    ///
    /// # Errors
    /// kas refuses it, in its words.
    pub fn kas(&self, dir: &Path, file: &str) -> Result<serde_json::Value, String> {
        let mut command = Command::new(self.python.join("bin/kas"));
        command.args(["dump", "--format=json"]);
        for step in
            ["repo_setup_loop", "finish_setup_repos", "repos_checkout", "repos_apply_patches", "setup_environ", "write_bbconfig"]
        {
            command.args(["--skip", step]);
        }
        let told = run(command.arg(file).current_dir(dir).env("KAS_WORK_DIR", dir))?;
        if !told.status.success() {
            return Err(String::from_utf8_lossy(&told.stderr).trim().to_owned());
        }
        serde_json::from_slice(&told.stdout).map_err(|why| format!("kas dump: {why}"))
    }

    /// What a kernel makes of fragments on top of its own defaults: the resulting configuration.
    ///
    /// # Errors
    /// Kconfig refuses, in its words.
    pub fn configure(&self, dir: &Path, arch: &str, defaults: &str, fragments: &[PathBuf]) -> Result<String, String> {
        let out = dir.join(format!("kernel-{arch}"));
        std::fs::create_dir_all(&out).map_err(|why| why.to_string())?;
        let make = |target: &str| {
            let mut command = Command::new("make");
            command
                .arg("-s")
                .arg("-C")
                .arg(&self.linux)
                .arg(format!("O={}", out.display()))
                .arg(format!("ARCH={arch}"))
                .arg(target);
            succeed(&mut command)
        };
        make(defaults)?;
        let mut merge = Command::new("sh");
        merge
            .arg(self.linux.join("scripts/kconfig/merge_config.sh"))
            .args(["-m", "-O"])
            .arg(&out)
            .arg(out.join(".config"))
            .args(fragments);
        succeed(merge.current_dir(&self.linux))?;
        make("olddefconfig")?;
        std::fs::read_to_string(out.join(".config")).map_err(|why| why.to_string())
    }
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let told = run(command)?;
    if told.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr)))
}

/// Runs a program to its end.
///
/// # Errors
/// It cannot be started.
pub fn run(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|why| format!("{} cannot be started: {why}", command.get_program().to_string_lossy()))
}
