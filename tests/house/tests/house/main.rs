//! Owns: the tests over the tree itself: rooms, walls, budgets, trace, authority, licences, scripts.
//! Never: starts a process of the product.
//! Called by: `scripts/test house`.

mod authority;
mod budgets;
mod catalog;
mod findings;
mod licences;
mod scripts;
mod trace;
mod tree;
mod units;
mod walls;
