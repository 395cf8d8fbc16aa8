//! What an action is: all that is known of it before a step of it runs.

use schemars::{JsonSchema, Schema, schema_for};

use crate::handoff::Handoff;

/// What takes back what a step did, where a plan is rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// Nothing that is known: a plan that may be rolled back does not have it.
    Unknown,
    /// There is nothing to take back: it works on files of its own.
    Nothing,
    /// The action of that name, in a step at the end for the same node.
    By(&'static str),
}

/// An action, and what holds for every step of it.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a property of its own"
)]
pub struct About {
    /// Its name in layer files, e.g. `tofu.apply`.
    pub name: &'static str,
    /// One line of documentation.
    pub doc: &'static str,
    /// JSON Schema of its inputs (an object; `properties` and `required` are
    /// used to check layer files and for `hl schema`).
    pub inputs: fn() -> Schema,
    /// Changes nothing anywhere, not even under `state/`: a plan of only such
    /// actions takes no lock and leaves no journal.
    pub reads_only: bool,
    /// Whether a step that says no `timeout` gets the default one.
    pub is_limited: bool,
    /// What it starts may run once more when nobody knows how it ended, because it
    /// looks at what is there first.
    pub repeatable: bool,
    /// What it publishes must be made anew when an approval of it took long.
    pub stale: bool,
    /// Why no earlier result of it ever stands, as in `it reads and checks`.
    pub never: Option<&'static str>,
    /// What takes back what a step of it did.
    pub undo: Undo,
    /// What its steps hand on, where that is the same for all of them.
    pub handoff: Handoff,
}

impl About {
    /// The action of that name; its inputs are of type `I`.
    pub fn of<I: JsonSchema>(name: &'static str) -> Self {
        Self {
            name,
            doc: "",
            inputs: || schema_for!(I),
            reads_only: false,
            is_limited: true,
            repeatable: false,
            stale: false,
            never: None,
            undo: Undo::Unknown,
            handoff: Handoff::default(),
        }
    }

    /// Documents it in one line.
    #[must_use]
    pub fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }

    /// It only reads.
    #[must_use]
    pub fn checks(mut self) -> Self {
        self.reads_only = true;
        self.never("it reads and checks")
    }

    /// It runs a program of the user's: how long that may take, only they know.
    #[must_use]
    pub fn unlimited(mut self) -> Self {
        self.is_limited = false;
        self
    }

    /// It looks at what is there before it changes anything.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// What it publishes does not keep.
    #[must_use]
    pub fn stale(mut self) -> Self {
        self.stale = true;
        self
    }

    /// It runs each time, for this reason.
    #[must_use]
    pub fn never(mut self, why: &'static str) -> Self {
        self.never = Some(why);
        self
    }

    /// It works on files of its own: a rollback has nothing to take back.
    #[must_use]
    pub fn undoes_nothing(mut self) -> Self {
        self.undo = Undo::Nothing;
        self
    }

    /// The action that takes back what a step of it did.
    #[must_use]
    pub fn undone_by(mut self, action: &'static str) -> Self {
        self.undo = Undo::By(action);
        self
    }

    /// What its steps hand on to later runs and to other tools.
    #[must_use]
    pub fn hands_on(mut self, handoff: Handoff) -> Self {
        self.handoff = handoff;
        self
    }
}
