//! Layer files: what is read, what is refused and how, and the plans they make.

mod approved;
mod clean;
mod fixture;
mod large;
mod plans;
mod renamed;
mod reports;
mod shipped;
mod verbs;
