//! L0 against the simulator: what it says when all is well, and the remedy of
//! everything that can be wrong.

mod connection;
mod docs;
mod faults;
mod key;
mod objects;
mod real_tools;
mod scene;
mod tools;
mod trust;
mod whole;
