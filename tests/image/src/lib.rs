//! Owns: the reference box as a virtual machine: QEMU around the image, the probe that is let in from outside, what tests ask of both.
//! Never: part of the image; nothing that ships depends on it.
//! Called by: `scripts/image boot` and `test`, the tests beside it.

pub mod acts;
pub mod boot;
pub mod dice;
pub mod guest;
pub mod inside;
pub mod machine;
pub mod packets;
pub mod picture;
pub mod probe;
pub mod qmp;
pub mod running;
pub mod scene;
pub mod story;
pub mod talk;
pub mod tools;
pub mod tv;

pub use inside::{inside, inside_twice};
pub use machine::{Machine, Options};
pub use parloir_bench::play::Halt;
pub use probe::Probe;
pub use scene::Scene;
pub use tools::Uki;
