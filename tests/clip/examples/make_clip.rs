//! Writes both flavours' files into a folder: `cargo run -p parloir-clip --example make_clip -- DIR`.

use parloir_clip::{Flavour, write_wav, write_y4m};
use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let dir = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    for (name, flavour) in [("cell", Flavour::Cell), ("visitor", Flavour::Visitor)] {
        write_y4m(&dir.join(format!("{name}.y4m")), flavour)?;
        write_wav(&dir.join(format!("{name}.wav")), flavour)?;
    }
    Ok(())
}
