//! Owns: writing the first inputs of every target, and the fuzzer's dictionary.
//! Never: removes anything.
//! Called by: scripts/fuzz --seeds.
#![forbid(unsafe_code)]

use parloir_fuzz::{TARGETS, seeds};
use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let Some(to) = std::env::args().nth(1) else {
        // What the script asks for.
        for t in TARGETS {
            println!("{} {} {}", t.name, t.longest, t.reads);
        }
        return Ok(());
    };
    let to = Path::new(&to);
    for target in TARGETS {
        let folder = to.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds::of(target.name).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    let words: String =
        seeds::words().iter().map(|w| format!("\"{}\"\n", w.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    std::fs::write(to.join("words.dict"), words)
}
