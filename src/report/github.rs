//! What GitHub Actions reads of a log: groups, annotations, and the summary of
//! a job. A line of a tool that looks like one of its commands is not one.
//!
//! Format: <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>;
//! the runner also takes `##[command]` anywhere in a line.

use crate::base::{Lines, short_duration};
use crate::plan::{Ended, Outcome, Plan, Status, Tally, sanitize};

/// How bad an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Red.
    Error,
    /// Yellow.
    Warning,
}

/// A place in a file of the repository, from its root; line and column from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: String,
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// Closes a group.
pub(super) const END_GROUP: &str = "::endgroup::";

/// Opens a group of lines that can be folded.
pub(super) fn group(title: &str) -> String {
    format!("::group::{}", data(&sanitize(title)))
}

/// An annotation: it stands beside the file and on the page of the run.
pub fn annotation(level: Level, title: &str, spot: Option<&Spot>, message: &str) -> String {
    let level = match level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let mut properties = Vec::new();
    if let Some(spot) = spot {
        properties.push(format!("file={}", property(&spot.file)));
        properties.push(format!("line={},col={}", spot.line, spot.column));
    }
    if !title.is_empty() {
        properties.push(format!("title={}", property(&sanitize(title))));
    }
    let gap = if properties.is_empty() { "" } else { " " };
    let lines: Vec<String> = message.lines().map(sanitize).collect();
    format!(
        "::{level}{gap}{}::{}",
        properties.join(","),
        data(&lines.join("\n"))
    )
}

/// Text in which the runner finds no command.
pub(super) fn neutral(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let start = line.len() - line.trim_start().len();
        let line = line.replace("##[", "## [");
        match line.get(start..) {
            Some(rest) if rest.starts_with("::") => line.replacen("::", ": :", 1),
            _ => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The run as a table in Markdown, for `GITHUB_STEP_SUMMARY`.
pub fn step_summary(plan: &Plan, tally: &Tally, dry_run: bool) -> String {
    let (outcome, exit, took) = tally.finished.unwrap_or_default();
    let word = match outcome {
        Outcome::Succeeded => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "was cancelled",
    };
    let dry = if dry_run { " (dry run)" } else { "" };
    let code = if exit == 0 {
        String::new()
    } else {
        format!(", exit code {exit}")
    };
    let mut out = format!(
        "### `{}`{dry} {word} in {}{code}\n\n| step | status | time | result |\n|---|---|---|---|\n",
        plan.recipe.replace('`', "'"),
        short_duration(took)
    );
    for Ended { step, end, .. } in tally.ended() {
        let status = match end.status {
            Status::Succeeded => "✅ done",
            Status::Failed => "❌ failed",
            Status::Skipped => "⏭️ skipped",
            Status::Blocked => "⛔ blocked",
            Status::Cancelled => "🛑 cancelled",
            Status::NotPlanned => "❔ not planned",
        };
        let took = if end.duration_ms == 0 {
            String::new()
        } else {
            short_duration(end.duration())
        };
        out.line(format_args!(
            "| {} | {status} | {took} | {} |",
            cell(step.as_str()),
            cell(&end.summary)
        ));
    }
    out.push('\n');
    out
}

/// Text in a cell of a table: nothing in it is Markdown or HTML.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for c in sanitize(&text.replace('\n', " ")).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' | '@' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ended, over, plan};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_escaped_and_placed() {
        let spot = Spot {
            file: "layers/a,b:c/layer.toml".to_owned(),
            line: 3,
            column: 7,
        };
        insta::assert_snapshot!(
            [
                annotation(Level::Error, "a: b", Some(&spot), "100%\nof it"),
                annotation(Level::Warning, "", None, "slow"),
                group("l2-b/apply"),
            ]
            .join("\n"),
            @r"
        ::error file=layers/a%2Cb%3Ac/layer.toml,line=3,col=7,title=a%3A b::100%25%0Aof it
        ::warning::slow
        ::group::l2-b/apply
        "
        );
    }

    proptest! {
        #[test]
        fn no_line_of_a_tool_is_a_command(text in "[:#\\[ a\n\tsetnv\u{a0}-]{0,40}") {
            for line in neutral(&text).split('\n') {
                prop_assert!(!line.trim_start().starts_with("::"), "{line}");
                prop_assert!(!line.contains("##["), "{line}");
            }
        }
    }

    #[test]
    fn the_summary_is_a_table_in_which_nothing_is_markdown() {
        let plan = plan(&["l2-b/apply", "l2-b/outputs"]);
        let mut tally = Tally::default();
        for event in [
            ended(30, "l2-b/apply", Status::Failed, 30, "a | b\n<b>"),
            ended(30, "l2-b/outputs", Status::Blocked, 0, "needs it"),
            over(30, Outcome::Failed, 7),
        ] {
            tally.take(&event);
        }
        insta::assert_snapshot!(step_summary(&plan, &tally, true), @r"
        ### `up` (dry run) failed in 0.0s, exit code 7

        | step | status | time | result |
        |---|---|---|---|
        | l2-b/apply | ❌ failed | 0.0s | a \| b &lt;b&gt; |
        | l2-b/outputs | ⛔ blocked |  | needs it |
        ");
    }
}
