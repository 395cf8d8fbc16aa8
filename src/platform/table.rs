//! What may stand in `adapter.toml` and in `platform.yaml`.

use crate::diag::Diagnostic;
use crate::shape::{Form, Nothing, Shape, key, required, tables};

/// The stages of a bootstrap, in their order; `check` comes before all of them.
pub(super) const STAGES: &[&str] = &["check", "pre-work", "bootstrap", "post-work", "validation"];

/// What a script may wait for, or open.
pub(super) const BARRIERS: &[&str] = &["cluster_installed", "cluster_accessible", "cni_ready"];

/// Types of inputs.
pub(super) const TYPES: &[&str] = &["text", "secret", "bool", "int", "choice", "list", "records"];

/// What a text may have to be.
pub(super) const FORMATS: &[&str] = &[
    "name", "ip", "cidr", "endpoint", "hostname", "url", "hex64", "bucket", "path", "age",
];

/// Where suggestions come from.
pub(super) const SUGGESTIONS: &[&str] = &["nodes", "environments", "machines"];

tables! {
    Nothing;

    /// `adapter.toml`
    pub(super) static ADAPTER = "the file", Refused [
        required("adapter", Shape::Record(&HEAD), "About the adapter: `name`, `version` and `phase`"),
        key("release", Shape::List(&Shape::Record(&RELEASE)), "Versions of the product that the adapter knows."),
        key("input", Shape::List(&Shape::Record(&INPUT)), "What it is told in `platform.yaml`."),
        key("provides", Shape::List(&Shape::Record(&PROVIDES)), "Capabilities that others may require."),
        key("requires", Shape::List(&Shape::Record(&REQUIRES)), "Capabilities of others that it reads, or that must come first."),
        key("placeholder", Shape::List(&Shape::Record(&PLACEHOLDER)), "Values that only a bootstrap knows."),
        key("file", Shape::List(&Shape::Record(&FILE)), "What it renders."),
        key("script", Shape::List(&Shape::Record(&SCRIPT)), "What a bootstrap runs."),
    ];

    static HEAD = "`[adapter]`", Refused [
        required("name", Shape::Form(&NAME), "Its name, as its folder has it."),
        required("version", Shape::Filled, "Its own version, e.g. `1.0.0`."),
        required("phase", Shape::Form(&NAME), "A label for people; the order comes from capabilities."),
        key("title", Shape::Text, "Name for people."),
        key("doc", Shape::Text, "One line of documentation."),
        key("group", Shape::Record(&GROUP), "Adapters of a group exclude each other."),
    ];

    static GROUP = "`group`", Refused [
        required("name", Shape::Form(&NAME), "Its name."),
        key("order", Shape::Integer(0, 1000), "Groups with lower numbers are asked first."),
        key("prompt", Shape::Text, "What `init` asks."),
        key("default", Shape::Bool, "It is the one that `init` offers first."),
        key("optional", Shape::Bool, "The group may stay without an adapter."),
    ];

    static RELEASE = "`[[release]]`", Refused [
        required("name", Shape::Filled, "The version of the product, as `version` in `platform.yaml` says it."),
        key("default", Shape::Bool, "It is taken when `platform.yaml` names none."),
        key("values", Shape::Keyed(&Shape::Scalar), "What templates read as `release.KEY`."),
    ];

    static INPUT = "`[[input]]`", Refused [
        required("name", Shape::Form(&WORD), "Its key in `platform.yaml`."),
        required("type", Shape::Choice(TYPES), "Its type."),
        key("prompt", Shape::Text, "What `init` asks."),
        key("help", Shape::Text, "What is said below the question."),
        key("default", Shape::Any, "Its value when nobody gives one."),
        key("optional", Shape::Bool, "It may stay without a value."),
        key("ask", Shape::Bool, "`init` asks for it although it has a default."),
        key("choices", TEXTS, "What a `choice` may be."),
        key("format", Shape::Choice(FORMATS), "What each text must be."),
        key("min", Shape::Integer(i64::MIN, i64::MAX), "The least number, or the fewest items."),
        key("max", Shape::Integer(i64::MIN, i64::MAX), "The greatest number, or the most items."),
        key("fields", Shape::List(&Shape::Record(&FIELD)), "The keys of each of the `records`."),
        key("skip", Shape::Filled, "An expression: when true, the input has no value and is not asked for."),
        key("derive", Shape::Filled, "An expression that gives its value when nobody does."),
        key("check", Shape::Filled, "An expression over `value` that must be true."),
        key("message", Shape::Filled, "What is said when `check` is not."),
        key("suggest", Shape::Choice(SUGGESTIONS), "What of the lab `init` suggests."),
        key("variable", Shape::Form(&VARIABLE), "Of a `secret`: the variable that holds it."),
    ];

    static FIELD = "a field", Refused [
        required("name", Shape::Form(&WORD), "Its key."),
        key("type", Shape::Choice(&["text", "int", "bool", "choice"]), "Its type; `text` when absent."),
        key("format", Shape::Choice(FORMATS), "What a text must be."),
        key("choices", TEXTS, "What a `choice` may be."),
        key("optional", Shape::Bool, "It may be absent."),
    ];

    static PROVIDES = "`[[provides]]`", Refused [
        required("capability", Shape::Form(&NAME), "Its name."),
        required("version", Shape::Filled, "Its version, e.g. `1.0`. A template."),
        key("data", Shape::Keyed(&Shape::Any), "Its fields, as the capability's contract has them; strings are templates."),
    ];

    static REQUIRES = "`[[requires]]`", Refused [
        required("capability", Shape::Form(&NAME), "Its name."),
        required("version", Shape::Filled, "Which versions do, e.g. `1.0`, `>=1.28`."),
    ];

    static PLACEHOLDER = "`[[placeholder]]`", Refused [
        required("name", Shape::Form(&WORD), "Templates write `{{ placeholder(\"NAME\") }}`."),
        required("doc", Shape::Filled, "What the value is."),
    ];

    static FILE = "`[[file]]`", Refused [
        required("template", Shape::Filled, "A file in the adapter's folder."),
        required("path", Shape::Filled, "Where it is written, below the adapter's folder in `generated`. A template."),
        key("root", Shape::Bool, "It is written below `generated` itself."),
        key("each", Shape::Filled, "An expression that gives a list: one file for each `item`."),
        key("when", Shape::Filled, "An expression: it is only written when true."),
        key("mode", Shape::Choice(&["0644", "0600", "0755"]), "Its mode; `0644` when absent."),
    ];

    static SCRIPT = "`[[script]]`", Refused [
        required("name", Shape::Form(&NAME), "Its name, unique in the adapter."),
        required("stage", Shape::Choice(STAGES), "When it runs."),
        required("file", Shape::Filled, "A file in the adapter's folder."),
        required("doc", Shape::Filled, "One line: what it does."),
        key("timeout", Shape::Filled, "When it is interrupted and then killed: `90s`, `10m`, or a tier. `5m` when absent."),
        key("tools", TEXTS, "Programs that it calls."),
        key("secrets", VARIABLES, "Variables with secrets that it needs."),
        key("makes", VARIABLES, "Secrets that it makes where there are none yet; they go to the lab's secret store."),
        key("fills", TEXTS, "Placeholders whose values it finds."),
        key("context", Shape::Keyed(&Shape::Any), "What it is told as JSON; strings are templates."),
        key("when", Shape::Filled, "An expression: it is only part of the pipeline when true."),
        key("barrier", Shape::Choice(BARRIERS), "What must be reached before it starts."),
        key("opens", Shape::Choice(BARRIERS), "What is reached when it has succeeded."),
        key("retry", Shape::Record(&RETRY), "It is tried again after a failure."),
    ];

    static RETRY = "`retry`", Refused [
        key("times", Shape::Integer(1, 100), "Attempts after the first one; 4 when absent."),
        key("backoff", Shape::Filled, "Wait before the second attempt, doubled each time; 5 s when absent."),
    ];

    /// `platform.yaml`
    pub(super) static PLATFORM = "the file", Refused [
        required("version", Shape::Choice(&["1.0"]), "The format of the file: \"1.0\", in quotes"),
        required("platform", Shape::Record(&ABOUT), "About the platform: `organization` and `app_name`"),
        required("adapters", Shape::Keyed(&Shape::Keyed(&Shape::Any)), "The adapters, each with its inputs."),
    ];

    static ABOUT = "`platform`", Refused [
        required("organization", Shape::Form(&NAME), "Whose platform it is."),
        required("app_name", Shape::Form(&NAME), "Its name; begins with the organization's."),
    ];
}

const TEXTS: Shape = Shape::List(&Shape::Filled);
const VARIABLES: Shape = Shape::List(&Shape::Form(&VARIABLE));

/// A word with `-`, as folders and capabilities have it.
pub(super) static NAME: Form = Form {
    is: "text",
    wrong: |what, text| {
        (!is_name(text)).then(|| {
            Diagnostic::error(format!(
                "{what} is `{text}`, expected lower-case letters, digits and `-`, a letter first"
            ))
        })
    },
    pattern: "^[a-z][a-z0-9-]*$",
};

/// Whether a text is lower-case letters, digits and `-`, a letter first: the name of an
/// adapter, a platform, an environment.
pub fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(plain)
        && text.len() <= 63
        && !text.ends_with('-')
}

/// Whether a platform of that organization can be called that.
pub(super) fn is_app_name(organization: &str, name: &str) -> bool {
    let rest = name.strip_prefix(organization);
    is_name(name) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// A word that templates can name.
static WORD: Form = Form {
    is: "text",
    wrong: |what, text| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_one = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain);
        (!is_one).then(|| {
            Diagnostic::error(format!(
                "{what} is `{text}`, expected lower-case letters, digits and `_`, a letter first"
            ))
        })
    },
    pattern: "^[a-z][a-z0-9_]*$",
};

/// The name of a variable.
static VARIABLE: Form = Form {
    is: "text",
    wrong: |what, text| {
        let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let is_one = text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(plain);
        let is_flag = text.starts_with("HL_");
        (!is_one || is_flag).then(|| {
            let why = if is_flag {
                "variables that begin with `HL_` are those of `hl`"
            } else {
                "expected a variable in capitals"
            };
            Diagnostic::error(format!("{what} is `{text}`, {why}"))
        })
    },
    pattern: "^[A-Z][A-Z0-9_]*$",
};
