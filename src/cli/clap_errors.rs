//! What clap finds wrong with a command line, in our words.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::base::ticked;
use crate::diag::{Diagnostic, Exit, Failure};

/// The failure for a mistake on the command line.
pub(super) fn failure(error: &clap::Error) -> Failure {
    let found = Found(error);
    let mut diagnostic = Diagnostic::error(message(&found));
    for kind in [
        ContextKind::SuggestedArg,
        ContextKind::SuggestedSubcommand,
        ContextKind::SuggestedValue,
    ] {
        if let Some(name) = found.texts(kind).first() {
            diagnostic = diagnostic.help(format!("did you mean `{name}`?"));
        }
    }
    if let Some(variable) = found.variable() {
        diagnostic = diagnostic.note(format!("the value is that of the variable `{variable}`"));
    }
    if let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) {
        let usage = usage.to_string();
        let usage = usage.trim().trim_start_matches("Usage: ").to_owned();
        diagnostic = diagnostic.help(format!("usage: {usage}"));
    }
    Failure::new(
        Exit::Usage,
        diagnostic.help("`hl --help` lists verbs and flags, `hl list` the recipes"),
    )
}

fn message(found: &Found<'_>) -> String {
    let arg = found.flag();
    let values = found.texts(ContextKind::InvalidValue);
    let value = values.first().map_or("", String::as_str);
    let kind = found.0.kind();
    let is_value = matches!(kind, ErrorKind::InvalidValue | ErrorKind::ValueValidation);
    if is_value && value.is_empty() {
        return format!("`{arg}` needs a value{}", expected(found));
    }
    if is_value {
        return format!("`{value}` is not a value of `{arg}`{}", expected(found));
    }
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "clap's own words serve for the rest"
    )]
    match kind {
        ErrorKind::UnknownArgument if arg.starts_with('-') => format!("there is no flag `{arg}`"),
        ErrorKind::UnknownArgument => format!("unexpected argument `{arg}`"),
        ErrorKind::InvalidSubcommand => {
            let verbs = found.texts(ContextKind::InvalidSubcommand);
            format!("there is no verb `{}`", verbs.join(" "))
        }
        ErrorKind::MissingRequiredArgument => {
            let names = found.texts(ContextKind::InvalidArg);
            let is = if names.len() == 1 { "is" } else { "are" };
            format!(
                "{} {is} missing",
                ticked(names.iter().map(|name| bare(name)))
            )
        }
        _ => {
            let text = found.0.render().to_string();
            let first = text.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        }
    }
}

/// What would be right, as far as it is known.
fn expected(found: &Found<'_>) -> String {
    let names = found.texts(ContextKind::ValidValue);
    if !names.is_empty() {
        return format!(", expected {}", ticked(names));
    }
    match std::error::Error::source(found.0) {
        Some(reason) => format!(": {reason}"),
        None => String::new(),
    }
}

/// `--jobs <N>` is `--jobs`, `<RECIPE>...` is `RECIPE`.
fn bare(name: &str) -> String {
    let name = match name.split_once(' ') {
        Some((flag, _)) if flag.starts_with('-') => flag,
        _ => name,
    };
    name.trim_end_matches("...")
        .trim_matches(['<', '>', '[', ']'])
        .to_owned()
}

struct Found<'a>(&'a clap::Error);

impl Found<'_> {
    fn texts(&self, kind: ContextKind) -> Vec<String> {
        match self.0.get(kind) {
            Some(ContextValue::String(text)) => vec![text.clone()],
            Some(ContextValue::Strings(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    fn flag(&self) -> String {
        let texts = self.texts(ContextKind::InvalidArg);
        texts.first().map(|text| bare(text)).unwrap_or_default()
    }

    /// The variable that the value came from, where the flag was not typed.
    fn variable(&self) -> Option<String> {
        let flag = self.flag();
        let name = flag.strip_prefix("--")?.replace('-', "_").to_uppercase();
        let variable = format!("HL_{name}");
        let typed = std::env::args().any(|word| word.starts_with(&flag));
        (!typed && std::env::var_os(&variable).is_some()).then_some(variable)
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use crate::diag::render;
    use std::ffi::OsString;

    fn said(words: &str) -> String {
        let words = std::iter::once("hl").chain(words.split_whitespace());
        let words: Vec<OsString> = words.map(OsString::from).collect();
        let failure = failure(&Cli::read(&words, None).unwrap_err());
        assert_eq!(failure.exit, Exit::Usage);
        render(&failure, false, crate::diag::Commands::Live)
    }

    #[test]
    fn every_mistake_is_named_with_what_was_expected() {
        let first = |words: &str| said(words).lines().next().unwrap_or_default().to_owned();
        insta::assert_snapshot!(
            ["--bogus l2", "list extra", "plan", "new", "-j 0 l2", "-j", "--output foo l2",
             "--timeout 5x l2", "--set FOO l2", "--env FOO l2", "completions csh", "templates promte", "templates prune x"]
                .map(first)
                .join("\n"),
            @r"
        error: there is no flag `--bogus`
        error: unexpected argument `extra`
        error: `RECIPE` is missing
        error: `DIR` is missing
        error: `0` is not a value of `--jobs`: expected a number from 1
        error: `--jobs` needs a value
        error: `foo` is not a value of `--output`, expected `auto`, `live`, `prefix`, `group`, `quiet`
        error: `5x` is not a value of `--timeout`: expected a time such as 90s, 30m or 2h
        error: `FOO` is not a value of `--set`: expected KEY=VALUE
        error: `FOO` is not a value of `--env`: expected KEY=VALUE
        error: `csh` is not a value of `SHELL`, expected `bash`, `elvish`, `fish`, `powershell`, `zsh`
        error: there is no verb `promte`
        error: `--keep` is missing
        "
        );
    }

    #[test]
    fn a_slip_gets_a_suggestion_and_the_usage() {
        let said = said("up --frm l2");
        assert!(said.contains("did you mean `--from`?"), "{said}");
        assert!(said.contains("usage: hl up"), "{said}");
    }
}
