//! The context file of a scenario: what its phases published, for the run that
//! comes after it.

use std::fs;

use camino::Utf8Path;
use serde_json::{Map, Value};

use crate::base::{if_there, json};
use crate::diag::{Exit, Failure};
use crate::lab;
use crate::plan::Tally;
use crate::runs::ScenarioContext;

/// What a context file holds: nothing where there is none yet.
///
/// # Errors
/// It cannot be read, or is no JSON object (65).
pub fn read(file: &Utf8Path) -> Result<ScenarioContext, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::message(
            Exit::Definition,
            format!("context file `{file}` cannot be used: {why}"),
        )
        .help("name another file, or remove it to begin without a context")
    };
    let text = if_there(fs::read_to_string(file)).map_err(|error| wrong(&error))?;
    let values = match text {
        None => Map::new(),
        Some(text) => {
            let read: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
            let Value::Object(values) = read else {
                return Err(wrong(&"expected a JSON object"));
            };
            values
        }
    };
    Ok(ScenarioContext {
        file: file.to_owned(),
        values,
    })
}

/// Replaces the file with what it held and what the run's steps published, of two
/// values of a name the later one. What begins with `_` is not for others.
///
/// # Errors
/// It cannot be written (73).
pub(super) fn write(context: &ScenarioContext, tally: &Tally) -> Result<(), Failure> {
    let mut values = context.values.clone();
    let published = tally.ended().flat_map(|ended| &ended.end.outputs);
    for (name, value) in published.filter(|(name, _)| !name.starts_with('_')) {
        values.insert(name.clone(), value.clone());
    }
    let text = json::pretty(&values).map_err(|error| {
        Failure::message(Exit::Bug, format!("cannot write the context: {error}"))
    })?;
    lab::write(&context.file, text + "\n", 0o600)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use camino::Utf8PathBuf;
    use serde_json::json;

    use super::*;
    use crate::plan::{Event, EventKind, Status, StepEnd, StepId};

    fn place() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(dir.path().join("context.json")).unwrap();
        (dir, file)
    }

    #[test]
    fn it_begins_empty_grows_and_is_the_owners() {
        let (_dir, file) = place();
        let mut context = read(&file).unwrap();
        assert!(context.values.is_empty() && context.file == file);
        context
            .values
            .insert("vm_ip".to_owned(), json!("192.0.2.1"));
        let mut end = StepEnd::new(Status::Succeeded, "");
        end.outputs.insert("images".to_owned(), json!(["d12"]));
        end.outputs.insert("_own".to_owned(), json!(1));
        let tally = Tally::of(&[Event {
            time: "2026-01-02T03:04:05.678Z".to_owned(),
            step: Some(StepId::from("s/build")),
            kind: EventKind::StepFinished(end),
        }]);
        write(&context, &tally).unwrap();
        let values = read(&file).unwrap().values;
        assert_eq!(
            Value::Object(values),
            json!({ "vm_ip": "192.0.2.1", "images": ["d12"] })
        );
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let (_dir, file) = place();
        for text in ["[]", "{", "3"] {
            fs::write(&file, text).unwrap();
            assert_eq!(read(&file).unwrap_err().exit, Exit::Definition, "{text}");
        }
    }
}
