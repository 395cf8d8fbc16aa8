//! The plan of a run on disk: for those who follow the run, wherever the lab is by
//! then.

use camino::Utf8Path;

use crate::base::json::map_texts;
use crate::diag::{Exit, Failure};
use crate::lab::{Lab, Redactor, write};
use crate::plan::Plan;

/// Writes the plan of a run beside its logs, to be read by [`Plan::parse`]: without
/// secrets, and with the paths of the lab relative to its root.
///
/// # Errors
/// It cannot be written (73).
pub(super) fn save_plan(
    lab: &Lab,
    run: &str,
    plan: &Plan,
    redactor: &Redactor,
) -> Result<(), Failure> {
    let text = |text: &str| relative(&redactor.text(text), lab.paths.root());
    let mut plan = plan.clone();
    for step in &mut plan.steps {
        for input in step.with.values_mut() {
            *input = map_texts(input.take(), &text);
        }
        step.when = step.when.as_deref().map(text);
        step.doc = text(&step.doc);
        step.recipe = text(&step.recipe);
    }
    let text = serde_json::to_vec(&plan).map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot write the plan as JSON: {error}"))
    })?;
    write(&lab.paths.logs(run).join("plan.json"), text, 0o600)
}

/// The text with every path below `root` relative to it, also where it is a part of
/// a word, as in `-var-file=ROOT/x`.
fn relative(text: &str, root: &Utf8Path) -> String {
    if text == root.as_str() {
        return ".".to_owned();
    }
    let inside = format!("{root}/");
    let mut parts = text.split(inside.as_str());
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // It may be the end of another path.
        let in_path = |c: char| c.is_alphanumeric() || "/._-~".contains(c);
        if out.ends_with(in_path) {
            out.push_str(&inside);
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{Config, Paths};
    use crate::plan::Step;
    use serde_json::json;

    #[test]
    fn paths_are_relative_wherever_they_stand() {
        let root = Utf8Path::new("/srv/lab");
        for (text, wanted) in [
            ("/srv/lab", "."),
            ("/srv/lab/site", "site"),
            ("-var-file=/srv/lab/a /srv/lab/b", "-var-file=a b"),
            ("/srv/lab2/site", "/srv/lab2/site"),
            ("/mnt/srv/lab/site", "/mnt/srv/lab/site"),
            ("file:///srv/lab/x", "file:///srv/lab/x"),
            ("layers/l1", "layers/l1"),
        ] {
            assert_eq!(relative(text, root), wanted);
        }
    }

    #[test]
    fn what_is_written_is_the_plan_without_secrets_and_without_the_place() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let lab = Lab {
            paths: Paths::live(root),
            config: Config::default(),
        };
        let step = |argv: serde_json::Value, when: &str| {
            let mut step = Step::new("job/work", "command");
            step.with.insert("argv".to_owned(), argv);
            step.when = Some(when.to_owned());
            step
        };
        let inside = json!(["cat", format!("{root}/a"), "canary-2f6b"]);
        let plan = Plan::new("job", vec![step(inside, "canary-2f6b")]);
        save_plan(&lab, "r", &plan, &Redactor::new(["canary-2f6b"])).unwrap();
        let path = lab.paths.logs("r").join("plan.json");
        let text = std::fs::read_to_string(path).unwrap();
        let outside = json!(["cat", "a", "(secret)"]);
        let wanted = Plan::new("job", vec![step(outside, "(secret)")]);
        assert_eq!(Plan::parse(&text).unwrap(), wanted);
    }
}
