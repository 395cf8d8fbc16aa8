//! The page of `hl serve`, as a browser asks for it: who sees what, what happens live,
//! and what operators do.

mod access;
mod act;
mod browser;
mod chromium;
mod daemon;
mod live;
mod shown;
