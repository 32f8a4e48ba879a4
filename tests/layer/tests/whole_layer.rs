//! The stage layer.
