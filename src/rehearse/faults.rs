//! Rules for what goes wrong, from a command line and from a file.

use std::fs;

use camino::Utf8Path;
use serde::Deserialize;
use serde_json::Value;

use crate::diag::{Diagnostic, Exit, Failure, Source};
use crate::shape::{self, Form, Format, Nothing, Shape, key, required, tables};
use hl_sim::{FaultRule, Faults};

tables! {
    Nothing;

    /// A file of faults.
    static FILE = "a file of faults", Refused [
        required("fault", Shape::List(&Shape::Record(&FAULT)), "Rules, each a table `[[fault]]`"),
    ];

    static FAULT = "`[[fault]]`", Refused [
        key("method", Shape::Filled, "Of the calls that it meets: `POST`, or several, `PUT,DELETE` [any]"),
        key("path", Shape::Form(&PATH), "Of the calls, below `/api2/json`: `*` stands for anything within a part, `**` for any number of parts [any]"),
        key("task", Shape::Filled, "Tasks of this type instead of calls: `clone`, `start`, ...; `*` is any"),
        key("hit", Shape::Scalar, "Which of them, from 1: `2`, `\"2-4\"`, `\"2-\"` [every one]"),
        key("at", Shape::Choice(FaultRule::MOMENTS), "before: the call or task does nothing; after: it does its work, and then the fault comes [before]"),
        key("slow", Shape::Filled, "How long nothing happens, such as `7s`; with an effect or alone"),
        key("status", Shape::Integer(200, 599), "Effect: the call is answered by an error of this HTTP status"),
        key("message", Shape::Text, "Its message [Proxmox VE's for that status]"),
        key("errors", Shape::Keyed(&Shape::Text), "What is wrong with which parameter"),
        key("body", Shape::Text, "Effect: the call is answered by this text, such as a proxy's page, with `status` [200]"),
        key("lost", Shape::Bool, "Effect: the connection breaks"),
        key("hang", Shape::Bool, "Effect: no answer comes, or the task does not end"),
        key("exit", Shape::Filled, "Effect: the task ends with this text; `WARNINGS: 1` is no error"),
        key("world", Shape::Choice(FaultRule::CONDITIONS), "Effect: a condition of the world, from the start when the rule meets nothing"),
        key("storage", Shape::Filled, "The storage of a condition"),
        key("node", Shape::Filled, "The node of a condition"),
        key("vmid", Shape::Integer(100, 999_999_999), "The VM of a condition, or that a task works on"),
        key("lock", Shape::Filled, "Why a VM is locked [backup]"),
    ];
}

static PATH: Form = Form {
    is: "a path such as `/nodes/*/qemu`",
    wrong: |_, text| {
        (!text.starts_with('/')).then(|| {
            let wrong = format!("`{text}` does not begin with `/`");
            Diagnostic::error(wrong).help("write the path below `/api2/json`: `/nodes/*/qemu`")
        })
    },
    pattern: "^/",
};

/// The largest file of rules or of a world's beginning that is read, in bytes.
const LARGEST: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
struct File {
    fault: Vec<FaultRule>,
}

/// The rules of a file, then those of `--fault`.
///
/// # Errors
/// A rule on the command line cannot be (2); the file cannot be read, or all that is
/// wrong with it (65).
pub fn read_faults(texts: &[String], file: Option<&Utf8Path>) -> Result<Vec<FaultRule>, Failure> {
    let mut rules = match file {
        Some(path) => from_file(path)?,
        None => Vec::new(),
    };
    for text in texts {
        let rule = text.parse::<FaultRule>();
        let checked = rule.and_then(|rule| {
            let one = std::slice::from_ref(&rule);
            Faults::new(one).map_err(|bad| bad.message)?;
            Ok(rule)
        });
        rules.push(checked.map_err(|why| {
            Failure::message(Exit::Usage, format!("`--fault {text}`: {why}"))
                .help("such as `--fault 'POST /nodes/*/qemu/*/clone hit=2 status=500'`")
        })?);
    }
    Ok(rules)
}

fn from_file(path: &Utf8Path) -> Result<Vec<FaultRule>, Failure> {
    let source = open(path)?;
    let file: File = shape::read(&source, &FILE, |root, findings| {
        let items = root
            .get("fault")
            .map(shape::Node::items)
            .unwrap_or_default();
        for item in items {
            let rule = serde_json::from_value::<FaultRule>(item.to_json());
            let wrong = match rule {
                Ok(rule) => Faults::new(&[rule]).err().map(|bad| bad.message),
                Err(error) => Some(error.to_string()),
            };
            if let Some(wrong) = wrong.filter(|_| findings.is_empty()) {
                let place = item.mark.place(&source, "");
                findings.push(Diagnostic::error(wrong).at(place));
            }
        }
    })?;
    Ok(file.fault)
}

/// A file that a person wrote for a simulated world.
pub(super) fn open(path: &Utf8Path) -> Result<Source, Failure> {
    let cannot =
        |why: String| Failure::message(Exit::Definition, format!("cannot read `{path}`: {why}"));
    let size = fs::metadata(path)
        .map_err(|error| cannot(error.to_string()))?
        .len();
    if size > LARGEST {
        return Err(cannot(format!(
            "it has {size} bytes, expected at most {LARGEST}"
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    Ok(Source::new(path, text))
}

/// The JSON Schema of a file of faults.
pub fn faults_schema() -> Value {
    shape::document("a file of faults", shape::schema(Format::Toml, &FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<FaultRule>, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("faults.toml");
        fs::write(&path, text).unwrap();
        read_faults(&["GET /version hit=1 lost".to_owned()], Some(&path))
    }

    #[test]
    fn a_file_and_a_command_line_are_read() {
        let text = "
            [[fault]]
            method = \"POST\"
            path = \"/nodes/*/qemu\"
            hit = 2
            status = 400
            errors = { vmid = \"no\" }

            [[fault]]
            task = \"clone\"
            hit = \"2-\"
            exit = \"no\"
            at = \"after\"

            [[fault]]
            world = \"storage-full\"
            storage = \"local\"
        ";
        let rules: Vec<String> = read(text)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected = [
            "POST /nodes/*/qemu hit=2 status=400 errors.vmid=no",
            "task=clone hit=2- at=after exit=no",
            "world=storage-full storage=local",
            "GET /version hit=1 lost",
        ];
        assert_eq!(rules, expected);
    }

    #[test]
    fn each_mistake_has_its_place() {
        let places = |text: &str| -> Vec<((usize, usize), String)> {
            let failure = read(text).unwrap_err();
            assert_eq!(failure.exit, Exit::Definition);
            let found = failure.diagnostics.into_iter();
            found
                .map(|found| (found.place.unwrap().line_column(), found.message))
                .collect()
        };
        let found = places("[[fault]]\npaht = \"/x\"\nlost = 1\nworld = \"flood\"\n");
        let lines: Vec<usize> = found.iter().map(|((line, _), _)| *line).collect();
        assert_eq!(lines, [2, 3, 4], "{found:?}");
        // What no table can say.
        let found = places("[[fault]]\npath = \"/x\"\nlost = true\n\n[[fault]]\npath = \"/x\"\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0.0, 5);
        assert!(found[0].1.contains("does nothing"), "{found:?}");
        let found = places("[[fault]]\npath = \"/x\"\nlost = true\nhit = 0\n");
        assert!(found[0].1.contains("`hit` is `0`"), "{found:?}");
    }

    #[test]
    fn a_rule_on_the_command_line_is_a_usage_error() {
        let failure = read_faults(&["GET /x".to_owned()], None).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(
            failure
                .to_string()
                .contains("`--fault GET /x`: it does nothing")
        );
    }

    /// Every key of the table is one of the rule, and the other way round.
    #[test]
    fn the_keys_are_those_of_a_rule() {
        let schema = faults_schema();
        let keys = schema["properties"]["fault"]["items"]["properties"].as_object();
        let keys: Vec<&String> = keys.unwrap().keys().collect();
        for key in &keys {
            let unknown = serde_json::json!({ key.as_str(): [] });
            let error = serde_json::from_value::<FaultRule>(unknown).unwrap_err();
            assert!(!error.to_string().contains("unknown field"), "{key}");
        }
        let error = "x=1".parse::<FaultRule>().unwrap_err();
        let fields = error.matches('`').count() / 2 - 1;
        assert_eq!(fields, keys.len(), "{error}");
    }
}
