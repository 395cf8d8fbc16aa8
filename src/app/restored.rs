//! The variables that were set for a run are set again when it is resumed or replayed.

use super::caller::Caller;
use crate::base::ticked;
use crate::diag::{Exit, Failure};
use crate::runs::Run;

impl Caller {
    /// The same caller with the variables that were set for a run; what it sets itself
    /// is stronger. The value of a secret one is on no disk: where this caller does not
    /// give it, by `--set` or in its process environment, `ask` is called with the
    /// name, and returns nothing where nobody can be asked.
    ///
    /// # Errors
    /// A value is missing (77), or `ask` fails.
    pub fn with_variables_of(
        &self,
        run: &Run,
        ask: &dyn Fn(&str) -> Result<Option<String>, Failure>,
    ) -> Result<Self, Failure> {
        let mut caller = self.clone();
        let Some(request) = &run.header.request else {
            return Ok(caller);
        };
        let mut set: Vec<(String, String)> = request.set.clone().into_iter().collect();
        let mut missing = Vec::new();
        for name in request.secrets.iter().filter(|name| !self.gives(name)) {
            match ask(name)? {
                Some(value) => set.push((name.clone(), value)),
                None => missing.push(name.as_str()),
            }
        }
        if !missing.is_empty() {
            return Err(no_value(&run.header.id, &missing));
        }
        // The last one of a name counts.
        set.append(&mut caller.set);
        caller.set = set;
        Ok(caller)
    }

    fn gives(&self, name: &str) -> bool {
        self.set.iter().any(|(set, _)| set == name)
            || self.var(name).is_some_and(|value| !value.is_empty())
    }
}

fn no_value(run: &str, missing: &[&str]) -> Failure {
    let (what, values) = match missing {
        [_] => ("a secret variable that was", "its value is"),
        _ => ("secret variables that were", "their values are"),
    };
    let names = ticked(missing);
    let flags: Vec<String> = missing
        .iter()
        .map(|name| format!("--set {name}=..."))
        .collect();
    let flags = flags.join(" ");
    Failure::message(
        Exit::NotApproved,
        format!("run {run} needs {names}, {what} set for it: {values} not saved"),
    )
    .help(format!(
        "set again what was set: `{flags}`, or in the environment of the command"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RunInfo;
    use crate::runs::{Ending, Header, RecipeRequest, RunRequest, SavedRequest};
    use std::collections::BTreeMap;

    fn run() -> Run {
        let request = SavedRequest {
            version: 1,
            request: RunRequest::Recipe(RecipeRequest::default()),
            set: [("NOTE", "then"), ("NODE", "n1")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            secrets: ["A_TOKEN", "B_TOKEN"].map(str::to_owned).into(),
        };
        Run {
            header: Header::new(&RunInfo::default(), "", BTreeMap::new(), Some(request)),
            events: Vec::new(),
            ending: Ending::Interrupted,
        }
    }

    fn caller(process: &[(&str, &str)], set: &[(&str, &str)]) -> Caller {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Caller {
            set: set.iter().map(pair).collect(),
            ..Caller::at("/", process)
        }
    }

    fn last<'a>(caller: &'a Caller, name: &str) -> Option<&'a str> {
        let mut set = caller.set.iter().rev();
        set.find(|(set, _)| set == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn what_was_set_is_set_again_and_secrets_are_given_anew() {
        let asked = |name: &str| Ok((name == "B_TOKEN").then(|| "typed".to_owned()));
        let caller = caller(&[("A_TOKEN", "inherited")], &[("NOTE", "now")]);
        let restored = caller.with_variables_of(&run(), &asked).unwrap();
        let all = ["NOTE", "NODE", "A_TOKEN", "B_TOKEN"].map(|name| last(&restored, name));
        assert_eq!(all, [Some("now"), Some("n1"), None, Some("typed")]);
    }

    #[test]
    fn all_that_nobody_gives_is_named() {
        let nobody = |_: &str| Ok(None);
        let failure = caller(&[], &[])
            .with_variables_of(&run(), &nobody)
            .unwrap_err();
        assert_eq!(failure.exit, Exit::NotApproved);
        let said = failure.to_string();
        assert!(said.contains("`A_TOKEN`, `B_TOKEN`"), "{said}");
        let one = caller(&[("A_TOKEN", "")], &[("B_TOKEN", "x")]);
        let said = one
            .with_variables_of(&run(), &nobody)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("needs `A_TOKEN`, a secret variable"),
            "{said}"
        );
    }
}
