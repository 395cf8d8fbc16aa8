//! site-config, first form: `site/envs/ENV.yaml` lists the virtual machines of
//! an environment. Its keys are a subset of what the full resolver reads, so
//! that today's files stay valid.

mod discover;
mod env;
mod read;
pub mod secrets;
#[cfg_attr(not(test), expect(dead_code, reason = "the resolver uses the rest"))]
mod yaml;

pub use discover::{Found, SYSTEM, Search, Tried, discover};
pub use env::{Cidr, Env, Ip, Vm};
pub use read::{is_tag, list, load, parse};
