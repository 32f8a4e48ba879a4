//! Owns: what the firewall does, seen from the other side of the wire: the rules that ship, in the kernel, with the real parloir-peers.
//! Never: asks the rules what they do; only packets that arrive, and those that do not, count.
//! Called by: `cargo test -p parloir-peers`.

mod inward;
mod outward;
mod packet;
mod peers;
mod users;
mod wire;
mod world;
