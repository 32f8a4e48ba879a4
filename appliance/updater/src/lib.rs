//! Owns: getting and installing images.
//! Never: installs or restarts without a lease of the arbiter.
//! Called by: main, tests.
#![forbid(unsafe_code)]
