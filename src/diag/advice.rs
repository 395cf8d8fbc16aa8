//! Advice: text that names commands of `hl`, as data.
//!
//! What is typed to do the same in a rehearsal begins with `hl rehearse`: a
//! command copied out of a rehearsal must not act on the real node. So advice
//! keeps its commands apart from its words, and they are written out where it is
//! known whose they are.

use std::borrow::Cow;

use crate::base::has_word;

/// First words of commands that are the same in a rehearsal: they are about the
/// lab's definition, about `hl` itself, or about the real node alone.
const SAME: &str = "
    access completions doctor help list man manifest new rehearse schema serve sim site spec trust";

/// Begins with an empty world.
const FRESH: &str = "rehearse --fresh";

/// Whose commands are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commands {
    /// Of the live lab.
    Live,
    /// Of its rehearsal.
    Rehearsed,
}

impl Commands {
    /// The command with these words behind `hl`, as it is typed.
    pub fn line(self, words: &str) -> String {
        if words.is_empty() {
            "hl".to_owned()
        } else if self == Self::Live || is_same_in_a_rehearsal(words) {
            format!("hl {words}")
        } else {
            format!("hl rehearse {words}")
        }
    }
}

/// Whether a command with these words behind `hl` is no other in a rehearsal.
pub fn is_same_in_a_rehearsal(words: &str) -> bool {
    let mut all = words.split(' ');
    let first = all.next().unwrap_or_default();
    // What is rendered is the live lab's; a bootstrap and what it fills in is not.
    if first == "platform" {
        return !matches!(all.next(), Some("bootstrap" | "validate" | "vacuum"));
    }
    // Nothing but flags: `--help`. Flags before a recipe are the recipe's.
    has_word(SAME, first) || (first.starts_with('-') && all.all(|word| word.starts_with('-')))
}

/// A line of help, a note or a warning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advice {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Words behind `hl`.
    Command(String),
    /// A command for the shell of a node.
    OnNode {
        node: String,
        command: String,
    },
}

/// Advice that begins with a command: the words behind `hl`.
pub fn hl(words: impl Into<String>) -> Advice {
    Advice::default().hl(words)
}

/// Advice that begins with text.
pub fn say(text: impl Into<String>) -> Advice {
    Advice::default().say(text)
}

impl Advice {
    /// Adds text.
    #[must_use]
    pub fn say(mut self, text: impl Into<String>) -> Self {
        self.parts.push(Part::Text(text.into()));
        self
    }

    /// Adds a command, which is shown in backticks.
    #[must_use]
    pub fn hl(mut self, words: impl Into<String>) -> Self {
        self.parts.push(Part::Command(words.into()));
        self
    }

    /// Adds a command for a node's own shell. Nobody logs in to a simulated
    /// node: in a rehearsal it is an empty world that helps.
    #[must_use]
    pub fn on_node(mut self, node: &str, command: impl Into<String>) -> Self {
        self.parts.push(Part::OnNode {
            node: node.to_owned(),
            command: command.into(),
        });
        self
    }

    /// Adds other advice.
    #[must_use]
    pub fn and(mut self, more: impl Into<Self>) -> Self {
        self.parts.extend(more.into().parts);
        self
    }

    /// Several pieces in one line.
    pub fn joined(all: impl IntoIterator<Item = Self>, between: &str) -> Self {
        all.into_iter()
            .reduce(|line, next| line.say(between).and(next))
            .unwrap_or_default()
    }

    /// The text, its commands written out.
    pub fn text(&self, commands: Commands) -> String {
        let parts = self.parts.iter();
        parts
            .map(|part| match part {
                Part::Text(text) => Cow::Borrowed(text.as_str()),
                Part::Command(words) => Cow::Owned(format!("`{}`", commands.line(words))),
                Part::OnNode { node, command } => Cow::Owned(match commands {
                    Commands::Live => format!("`{command}` on `{node}`"),
                    Commands::Rehearsed => format!(
                        "`{}` begins with an empty world (the simulated `{node}` has no shell)",
                        commands.line(FRESH)
                    ),
                }),
            })
            .collect()
    }
}

impl Advice {
    /// Whether it says this to those who work with the live lab.
    pub fn contains(&self, text: &str) -> bool {
        self.text(Commands::Live).contains(text)
    }
}

impl From<String> for Advice {
    fn from(text: String) -> Self {
        say(text)
    }
}

impl From<&str> for Advice {
    fn from(text: &str) -> Self {
        say(text)
    }
}

impl From<&String> for Advice {
    fn from(text: &String) -> Self {
        say(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_in_a_rehearsal_is_one_of_the_rehearsal() {
        let advice = say("bring it first: ")
            .hl("l1-iso debian")
            .say("; ")
            .and(hl("site check"));
        assert_eq!(
            advice.text(Commands::Live),
            "bring it first: `hl l1-iso debian`; `hl site check`"
        );
        assert_eq!(
            advice.text(Commands::Rehearsed),
            "bring it first: `hl rehearse l1-iso debian`; `hl site check`"
        );
    }

    #[test]
    fn what_is_text_stays_as_it_is() {
        // Words of a tool or of a user are never taken for a command.
        let said = Advice::from("the tool said `hl up`");
        assert_eq!(said.text(Commands::Rehearsed), "the tool said `hl up`");
    }

    #[test]
    fn commands_about_the_lab_itself_are_the_same() {
        let line = |words| Commands::Rehearsed.line(words);
        assert_eq!(line("--help"), "hl --help");
        assert_eq!(line("-k l3-converge"), "hl rehearse -k l3-converge");
        assert_eq!(line("rehearse --fresh"), "hl rehearse --fresh");
        assert_eq!(line("list"), "hl list");
        assert_eq!(line("listen"), "hl rehearse listen");
        assert_eq!(line("up"), "hl rehearse up");
        assert_eq!(line(""), "hl");
    }

    #[test]
    fn a_simulated_node_has_no_shell() {
        let advice = say("remove it: ").on_node("pve", "qm destroy 100");
        assert_eq!(
            advice.text(Commands::Live),
            "remove it: `qm destroy 100` on `pve`"
        );
        assert_eq!(
            advice.text(Commands::Rehearsed),
            "remove it: `hl rehearse --fresh` begins with an empty world \
             (the simulated `pve` has no shell)"
        );
    }

    #[test]
    fn joined_advice_keeps_its_commands() {
        let all = Advice::joined([hl("up"), say("or wait")], "; ");
        assert_eq!(all.text(Commands::Rehearsed), "`hl rehearse up`; or wait");
        assert_eq!(Advice::joined([], "; "), Advice::default());
    }
}
