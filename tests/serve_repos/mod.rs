//! Repositories of `hl serve`, with the real git, curl and ansible-pull.

mod clone;
mod hostile;
mod leaks;
mod preparing;
mod pull;
mod raw;
mod stage;
mod stop;
mod which;
