//! `hl resume` with the real binary: what was done stays done, what was not is
//! done, and the run file tells one story.

mod lab;
mod replay;
mod runs;
mod up;
