//! Owns: the command line of the layer checks.
//! Never: anything else.
//! Called by: scripts/layer.
fn main() {}
