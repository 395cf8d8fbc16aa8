//! The one integration binary: the real `hl` in a scrubbed environment.

mod arch;
