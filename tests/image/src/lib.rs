//! Owns: the reference box as a virtual machine: QEMU around the image, the probe that is let in from outside, what tests ask of both.
//! Never: part of the image; nothing that ships depends on it.
//! Called by: `scripts/image boot` and `test`, the tests beside it.
