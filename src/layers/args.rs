//! Words after a recipe's name to values of its parameters.

use super::fields::either;
use super::listing::usage;
use super::model::{Param, ParamType, Recipe};
use crate::diag::closest;

/// One argument as typed, or as a dependency renders it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// It came out of a template as a whole: a value, whatever it looks like.
    pub(super) opaque: bool,
}

impl Word {
    pub(super) fn typed(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            opaque: false,
        }
    }
}

/// What is wrong with the arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArgError {
    pub(super) message: String,
    pub(super) help: Vec<String>,
}

/// The text given for each parameter, in the order of the parameters; `None`
/// where the default counts. A flag that is given is `true`.
pub(super) fn bind(recipe: &Recipe, words: &[Word]) -> Result<Vec<Option<String>>, ArgError> {
    let mut given: Vec<Option<String>> = vec![None; recipe.params.len()];
    let mut positional: Vec<String> = Vec::new();
    let mut words = words.iter();
    let mut only_values = false;
    while let Some(word) = words.next() {
        if only_values || word.opaque || !word.text.starts_with('-') || word.text == "-" {
            positional.push(word.text.clone());
            continue;
        }
        if word.text == "--" {
            only_values = true;
            continue;
        }
        let (name, inline) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.text.as_str(), None),
        };
        let Some((index, param)) = option(recipe, name) else {
            return Err(unknown_option(recipe, name));
        };
        let value = match (param.kind, inline) {
            (_, Some(value)) => value,
            (ParamType::Bool, None) => "true".to_owned(),
            (ParamType::String | ParamType::Int, None) => match words.next() {
                Some(value) if value.opaque || !value.text.starts_with("--") => value.text.clone(),
                _ => return Err(error(recipe, format!("`{name}` needs a value"))),
            },
        };
        if given[index].replace(value).is_some() {
            return Err(error(recipe, format!("`{name}` is given twice")));
        }
    }
    let slots: Vec<usize> = (0..recipe.params.len())
        .filter(|i| !recipe.params[*i].option)
        .collect();
    if positional.len() > slots.len() {
        return Err(error(
            recipe,
            format!(
                "recipe `{}` takes {}, but {} given",
                recipe.name.get_ref(),
                count(slots.len(), "at most "),
                were(positional.len())
            ),
        ));
    }
    let found = positional.len();
    for (slot, value) in slots.iter().zip(positional) {
        given[*slot] = Some(value);
    }
    let missing: Vec<String> = recipe
        .params
        .iter()
        .zip(&given)
        .filter(|(param, value)| param.required() && value.is_none())
        .map(|(param, _)| param.name.get_ref().to_uppercase())
        .collect();
    if !missing.is_empty() {
        let needed = recipe
            .params
            .iter()
            .filter(|param| param.required())
            .count();
        let at_least = if needed < slots.len() {
            "at least "
        } else {
            ""
        };
        let names: Vec<&str> = missing.iter().map(String::as_str).collect();
        return Err(error(
            recipe,
            format!(
                "recipe `{}` takes {}, but {} given: {} is missing",
                recipe.name.get_ref(),
                count(needed, at_least),
                were(found),
                super::fields::join(&names, "and"),
            ),
        ));
    }
    Ok(given)
}

/// A value as its parameter's type allows it; `Err` says what was expected.
pub(super) fn typed(param: &Param, text: &str) -> Result<minijinja::Value, ArgError> {
    let name = param.name.get_ref();
    let wrong = |expected: String, help: Option<String>| ArgError {
        message: format!("`{name}` cannot be `{text}`, expected {expected}"),
        help: help.into_iter().collect(),
    };
    if !param.values.is_empty() && !param.values.iter().any(|v| v.get_ref() == text) {
        let values: Vec<&str> = param.values.iter().map(|v| v.get_ref().as_str()).collect();
        let help = closest(text, values.iter().copied()).map(|v| format!("did you mean `{v}`?"));
        return Err(wrong(either(&values), help));
    }
    match param.kind {
        ParamType::String => Ok(minijinja::Value::from(text)),
        ParamType::Int => text
            .parse::<i64>()
            .map(minijinja::Value::from)
            .map_err(|_| wrong("a whole number".to_owned(), None)),
        ParamType::Bool => text
            .parse::<bool>()
            .map(minijinja::Value::from)
            .map_err(|_| wrong("`true` or `false`".to_owned(), None)),
    }
}

fn option<'r>(recipe: &'r Recipe, typed: &str) -> Option<(usize, &'r Param)> {
    recipe
        .params
        .iter()
        .enumerate()
        .find(|(_, param)| param.option && param.flag() == typed)
}

fn unknown_option(recipe: &Recipe, name: &str) -> ArgError {
    let flags: Vec<String> = recipe
        .params
        .iter()
        .filter(|param| param.option)
        .map(Param::flag)
        .collect();
    let mut found = error(
        recipe,
        format!("recipe `{}` has no option `{name}`", recipe.name.get_ref()),
    );
    if let Some(flag) = closest(name, flags.iter().map(String::as_str)) {
        found.help.insert(0, format!("did you mean `{flag}`?"));
    }
    found
}

fn error(recipe: &Recipe, message: String) -> ArgError {
    ArgError {
        message,
        help: vec![format!("usage: hl {}", usage(recipe))],
    }
}

fn count(count: usize, prefix: &str) -> String {
    match count {
        0 => "no arguments".to_owned(),
        1 => format!("{prefix}1 argument"),
        n => format!("{prefix}{n} arguments"),
    }
}

fn were(count: usize) -> String {
    match count {
        0 => "none was".to_owned(),
        1 => "1 was".to_owned(),
        n => format!("{n} were"),
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;
    use proptest::prelude::*;

    use super::*;
    use crate::diag::Source;
    use crate::layers::parse::parse;

    fn recipe() -> Recipe {
        let text = "[layer]\nid = \"l2\"\nname = \"x\"\n[[recipe]]\nname = \"r\"\nparams = [{ name = \"a\" }, { name = \"b\", default = \"\" }, { name = \"long_name\", option = true }, { name = \"flag\", option = true, type = \"bool\" }]\n";
        let source = Source::new("layers/l2-x/layer.toml", text);
        let (mut layer, findings) = parse(source, Utf8Path::new("layers/l2-x"));
        assert!(findings.is_empty());
        layer.recipes.remove(0)
    }

    fn bound(words: &[&str]) -> Result<Vec<Option<String>>, ArgError> {
        let words: Vec<Word> = words.iter().map(|word| Word::typed(word)).collect();
        bind(&recipe(), &words)
    }

    #[test]
    fn options_stand_anywhere() {
        let all = [Some("x"), None, Some("v"), Some("true")].map(|v| v.map(str::to_owned));
        for words in [
            ["x", "--long-name", "v", "--flag"].as_slice(),
            &["--flag", "--long-name=v", "x"],
            &["--long-name", "v", "--flag=true", "--", "x"],
        ] {
            assert_eq!(bound(words).unwrap(), all);
        }
        assert_eq!(
            bound(&["-", "--", "--flag"]).unwrap()[1].as_deref(),
            Some("--flag")
        );
        for wrong in [
            ["--flag"].as_slice(),
            &["x", "--long-name", "--flag"],
            &["x", "--flag", "--flag"],
            &["x", "y", "z"],
            &["x", "-z"],
        ] {
            assert!(bound(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        /// A value that comes out of a template is never taken for an option.
        #[test]
        fn values_of_templates_stay_values(a in ".*", b in ".*", v in ".*") {
            let value = |text: &str| Word { text: text.to_owned(), opaque: true };
            let words = [value(&a), Word::typed("--long-name"), value(&v), value(&b)];
            let given = bind(&recipe(), &words).unwrap();
            prop_assert_eq!(given, vec![Some(a), Some(b), Some(v), None]);
        }
    }
}
