//! Owns: the probe: what a test lets into a guest to look around there.
//! Never: in the image; it comes on a disk of its own, named by the virtual machine's firmware.
//! Called by: the machine, through the guest's systemd.

fn main() {}
