//! Owns: the command line of the machine.
//! Never: does more than to read it and call the library.
//! Called by: `scripts/image boot`.

fn main() {}
