//! Owns: (being written)
//! Never: a mock.
//! Called by: `scripts/test image`.
