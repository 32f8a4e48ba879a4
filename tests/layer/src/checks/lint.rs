//! Owns: the word of oelint-adv, the linter of the OpenEmbedded world, on the whole layer.
//! Never: a rule switched off here: what the layer suppresses stands in its own `.oelint.cfg`.
//! Called by: `scripts/layer static`.

use super::Context;
use crate::{Book, Fault};

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("lint");
    let Some(tools) = with.tools else { return book.faults };
    match tools.oelint(with.tree, with.dir) {
        Err(why) => book.fault("yocto-layer", why, "scripts/layer tools"),
        Ok(lines) => {
            for line in lines {
                let (at, why) = line.split_once(": ").or_else(|| line.split_once(':')).unwrap_or(("yocto-layer", &line));
                book.fault(
                    format!("yocto-layer/{at}"),
                    why,
                    "correct it, or suppress the rule in yocto-layer/.oelint.cfg and say why",
                );
            }
        }
    }
    book.faults
}
