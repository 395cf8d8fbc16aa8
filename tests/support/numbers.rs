//! Random numbers that can be had again: the seed is printed.

use std::env;
use std::time::SystemTime;

/// Numbers from a seed, by xorshift.
#[derive(Debug)]
pub(crate) struct Numbers {
    seed: u64,
    state: u64,
}

impl Numbers {
    /// From the seed in that variable, else from the clock.
    pub(crate) fn new(variable: &str) -> Self {
        let given = env::var(variable).ok().and_then(|text| text.parse().ok());
        let seed: u64 = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap().as_secs()
        });
        println!("{variable}={seed}");
        Self {
            seed,
            state: seed | 1,
        }
    }

    /// What gives the same numbers again.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// The next one below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % limit
    }
}
