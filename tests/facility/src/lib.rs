//! Owns: the other side of the wall for demo, tests and a documented pilot of one site: it asks the visitor, answers the box, keeps the page.
//! Never: a place in the image; a visit's keys or media; a database.
//! Called by: `parloir-facility`; the bench uses [`visitor`] to drive a real browser.
#![forbid(unsafe_code)]

pub mod ddi;
pub mod desk;
pub mod guest;
pub mod limits;
pub mod office;
pub mod page;
pub mod receipt;
pub mod tamper;
pub mod turn;
pub mod visit;
pub mod visitor;
pub mod web;
