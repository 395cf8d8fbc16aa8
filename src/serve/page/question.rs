//! What a run asks, and what a yes would do.

use super::opened::Opened;
use super::shown::When;
use crate::control::Question;

/// An open question of a run.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) step: String,
    pub(super) text: String,
    /// What would happen, as lines.
    pub(super) summary: Vec<String>,
    /// This word is to be typed to say yes.
    pub(super) word: Option<String>,
    /// Of all that is approved.
    pub(super) digest: String,
    pub(super) since: When,
    pub(super) until: When,
}

impl Asked {
    pub(super) fn new(opened: &Opened, question: &Question) -> Self {
        let clean = &opened.clean;
        Self {
            step: clean.text(question.step.as_str()),
            text: clean.text(&question.text),
            summary: question
                .summary
                .iter()
                .flat_map(|text| clean.lines(text))
                .collect(),
            word: question.type_word.as_deref().map(|word| clean.text(word)),
            digest: question.digest.clone(),
            since: When::new(&question.since, opened.now),
            until: When::new(&question.until, opened.now),
        }
    }
}
