//! A failed step, in the order in which a person needs it: which, how, the
//! last lines, what helps, the log, how to go on.

use std::time::Duration;

use super::{Paint, Palette};
use crate::base::{Lines, short_duration};
use crate::plan::{StepEnd, StepId, sanitize, wrap};

/// How to go on after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoOn {
    /// With the command that resumes the run.
    Resume(String),
    /// With the same command again.
    Again(String),
}

/// Where the text of a remark begins: `  = help: `.
const REMARK: usize = 10;

/// The block for a failed step, in lines of `width` columns.
pub fn failed_step(
    step: &StepId,
    end: &StepEnd,
    go_on: Option<&GoOn>,
    palette: Palette,
    width: Option<usize>,
) -> String {
    let mut out = String::new();
    let after = if end.duration() < Duration::from_millis(50) {
        String::new()
    } else {
        format!(" after {}", short_duration(end.duration()))
    };
    let title = format!("step `{step}` failed{after}: {}", sanitize(&end.summary));
    out.line(format_args!(
        "{}{}",
        palette.paint(Paint::Bad, "error"),
        palette.paint(Paint::Bold, wrap(&format!(": {title}"), 5, 2, width))
    ));
    for text in &end.tail {
        let bar = palette.paint(Paint::Dim, "|");
        for (index, part) in wrap(&sanitize(text), 4, 4, width).split('\n').enumerate() {
            let part = if index == 0 { part } else { part.trim_start() };
            out.line(format_args!("  {bar} {part}"));
        }
    }
    let mut remark = |paint: Paint, label: &str, text: &str| {
        let label = palette.paint(paint, label);
        out.line(format_args!(
            "  {label} {}",
            wrap(text, REMARK, REMARK, width)
        ));
    };
    for help in &end.help {
        for (index, text) in help.lines().enumerate() {
            let label = if index == 0 { "= help:" } else { "       " };
            remark(Paint::Active, label, &sanitize(text));
        }
    }
    if let Some(log) = &end.log {
        remark(Paint::Dim, "= note:", &format!("full log: {log}"));
    }
    let how = match go_on {
        Some(GoOn::Resume(command)) => format!("then resume from here: `{command}`"),
        Some(GoOn::Again(command)) => format!("then run `{command}` again"),
        None => return out,
    };
    remark(Paint::Active, "= help:", &how);
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{end_of, ended};
    use super::*;
    use crate::plan::Status;

    #[test]
    fn it_says_which_how_the_last_lines_what_helps_the_log_and_how_to_go_on() {
        let mut event = ended(
            61_000,
            "l2-b/apply",
            Status::Failed,
            61_000,
            "it\u{7} broke",
        );
        let end = end_of(&mut event);
        end.help.push("first line\nsecond line".to_owned());
        end.tail.push("  indented".to_owned());
        end.log = Some("state/logs/r/l2-b-apply.log".to_owned());
        let step = StepId::from("l2-b/apply");
        let text = |go_on| failed_step(&step, end, go_on, Palette { color: false }, None);
        let again = GoOn::Again("hl up 'a b'".to_owned());
        insta::assert_snapshot!(text(Some(&again)), @r"
        error: step `l2-b/apply` failed after 1m 01s: it broke
          |   indented
          = help: first line
                  second line
          = note: full log: state/logs/r/l2-b-apply.log
          = help: then run `hl up 'a b'` again
        ");
        let resume = GoOn::Resume("hl resume 3f9c".to_owned());
        assert!(text(Some(&resume)).ends_with("= help: then resume from here: `hl resume 3f9c`\n"));
        assert!(!text(None).contains("then"));
    }
}
