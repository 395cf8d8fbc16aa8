//! Whose lab it is: nothing of another user's lab runs before it is trusted,
//! no link leads a run away from the lab, no file of values loads code.

mod links;
mod loaders;
mod others;
mod search;
mod verb;
mod world;
