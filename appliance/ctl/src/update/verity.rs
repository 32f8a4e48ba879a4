//! Owns: checking every block of a payload against the hash tree behind it (dm-verity, version 1, SHA-256, 4096-byte blocks).
//! Never: a whole payload in memory.
//! Called by: check. The format is the kernel's: Documentation/admin-guide/device-mapper/verity.rst.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use super::manifest::Tree;

const BLOCK: usize = 4096;
const PER_BLOCK: u64 = (BLOCK / 32) as u64;
/// Blocks that are read at once.
const AT_ONCE: usize = 256;

/// What does not hold.
#[derive(Debug)]
pub enum Broken {
    Io(io::Error),
    /// Sizes of payload and tree do not belong together.
    Shape,
    /// A block of the tree, counted from its begin.
    Tree(u64),
    /// A block of the payload.
    Data(u64),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Blocks of each level of the tree for so many blocks of data, lowest level first.
fn levels(data: u64) -> Vec<u64> {
    let (mut levels, mut blocks) = (Vec::new(), data);
    while blocks > 1 {
        blocks = blocks.div_ceil(PER_BLOCK);
        levels.push(blocks);
    }
    levels
}

fn hash(salt: &[u8; 32], block: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(block).finalize().into()
}

/// Checks `content` bytes of `file`: payload, then tree. `step` is told how many bytes of the payload are done.
pub fn check(file: &File, content: u64, tree: &Tree, step: impl Fn(u64)) -> Result<(), Broken> {
    let payload = content.checked_sub(tree.size).filter(|p| *p > 0 && p % BLOCK as u64 == 0).ok_or(Broken::Shape)?;
    let blocks = payload / BLOCK as u64;
    let levels = levels(blocks);
    if levels.iter().sum::<u64>() * BLOCK as u64 != tree.size {
        return Err(Broken::Shape);
    }
    let mut hashes = vec![0; usize::try_from(tree.size).map_err(|_| Broken::Shape)?];
    file.read_exact_at(&mut hashes, payload)?;
    let leaves = check_tree(&hashes, &levels, tree)?;
    let mut buffer = vec![0; AT_ONCE * BLOCK];
    let mut at = 0;
    while at < blocks {
        let count = usize::try_from(blocks - at).map_or(AT_ONCE, |left| left.min(AT_ONCE));
        let part = &mut buffer[..count * BLOCK];
        file.read_exact_at(part, at * BLOCK as u64)?;
        for block in part.chunks_exact(BLOCK) {
            // One block of data has no tree: its hash is the root.
            let want = leaves.map_or(&tree.root[..], |leaves| digest(leaves, at));
            if hash(&tree.salt, block) != want {
                return Err(Broken::Data(at));
            }
            at += 1;
        }
        step((count * BLOCK) as u64);
    }
    Ok(())
}

fn digest(level: &[u8], index: u64) -> &[u8] {
    let at = usize::try_from(index).unwrap_or(usize::MAX / 64) * 32;
    level.get(at..at + 32).unwrap_or_default()
}

/// From the root down: the highest level lies first. Returns the lowest.
fn check_tree<'a>(hashes: &'a [u8], levels: &[u64], tree: &Tree) -> Result<Option<&'a [u8]>, Broken> {
    let mut above: Option<&[u8]> = None;
    let mut first = 0;
    for count in levels.iter().rev() {
        let level = &hashes[block_at(first)..block_at(first + count)];
        for (index, block) in (0..).zip(level.chunks_exact(BLOCK)) {
            let want = above.map_or(&tree.root[..], |above| digest(above, index));
            if hash(&tree.salt, block) != want {
                return Err(Broken::Tree(first + index));
            }
        }
        above = Some(level);
        first += count;
    }
    Ok(above)
}

/// Fits: the tree is in memory.
fn block_at(block: u64) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX / BLOCK) * BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_kernels() {
        assert!(levels(1).is_empty());
        assert_eq!(levels(2), [1]);
        assert_eq!(levels(128), [1]);
        assert_eq!(levels(129), [2, 1]);
        assert_eq!(levels(128 * 128 + 1), [129, 2, 1]);
    }
}
