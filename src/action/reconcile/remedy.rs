//! The commands that help, as they can be typed.

use crate::base::quoted;
use crate::diag::{Advice, hl};

/// The action's name in layer files.
pub const NAME: &str = "machines.check";

/// What to do when infrastructure is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remedy {
    env: String,
    node: String,
}

impl Remedy {
    /// For an environment on a node.
    pub fn new(env: &str, node: &str) -> Self {
        Self {
            env: env.to_owned(),
            node: node.to_owned(),
        }
    }

    /// Runs L2 again: words of the command line behind `hl`.
    pub fn again(&self) -> Vec<String> {
        self.words("l2-apply")
    }

    /// Lets the state forget what is gone: words of the command line behind `hl`.
    pub fn reset(&self) -> Vec<String> {
        self.words("l2-forget")
    }

    /// Both with what they do, for a failure's help.
    pub(super) fn help(&self) -> [Advice; 2] {
        [
            hl(typed(&self.again())).say(" makes again what is gone, and starts what is stopped"),
            hl(typed(&self.reset())).say(" lets the state forget what is gone"),
        ]
    }

    fn words(&self, recipe: &str) -> Vec<String> {
        [recipe, self.env.as_str(), "--node", self.node.as_str()]
            .map(str::to_owned)
            .to_vec()
    }
}

/// Words of a command line as they are typed.
pub fn typed(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Commands;

    #[test]
    fn both_commands_can_be_typed() {
        let help = Remedy::new("dev", "pve").help();
        let [again, reset] = help.map(|help| help.text(Commands::Live));
        assert!(
            again.starts_with("`hl l2-apply dev --node pve` "),
            "{again}"
        );
        assert!(
            reset.starts_with("`hl l2-forget dev --node pve` "),
            "{reset}"
        );
    }
}
