//! A failed step, in the order in which a person needs it: which, how, the
//! last lines, what helps, the log, how to go on.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Ended, Paint, Palette};
use crate::plan::{sanitize, short_duration};

/// How to go on after a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoOn {
    /// With the command that resumes the run.
    Resume(String),
    /// With the same command again.
    Again(String),
}

/// The block for a failed step.
pub fn failed_step(ended: &Ended, go_on: Option<&GoOn>, palette: Palette) -> String {
    let mut out = String::new();
    let after = if ended.duration < Duration::from_millis(50) {
        String::new()
    } else {
        format!(" after {}", short_duration(ended.duration))
    };
    let title = format!(
        "step `{}` failed{after}: {}",
        ended.step,
        sanitize(&ended.summary)
    );
    line(
        &mut out,
        &format!(
            "{}{}",
            palette.paint(Paint::Bad, "error"),
            palette.paint(Paint::Bold, format_args!(": {title}"))
        ),
    );
    for text in &ended.tail {
        line(
            &mut out,
            &format!("  {} {}", palette.paint(Paint::Dim, "|"), sanitize(text)),
        );
    }
    for help in &ended.help {
        let mut lines = help.lines();
        line(
            &mut out,
            &format!(
                "  {} {}",
                palette.paint(Paint::Active, "= help:"),
                sanitize(lines.next().unwrap_or_default())
            ),
        );
        for more in lines {
            line(&mut out, &format!("          {}", sanitize(more)));
        }
    }
    if let Some(log) = &ended.log {
        line(
            &mut out,
            &format!("  {} full log: {log}", palette.paint(Paint::Dim, "= note:")),
        );
    }
    let how = match go_on {
        Some(GoOn::Resume(command)) => format!("then go on from here: `{command}`"),
        Some(GoOn::Again(command)) => format!("then run `{command}` again"),
        None => return out,
    };
    let help = palette.paint(Paint::Active, "= help:");
    line(&mut out, &format!("  {help} {how}"));
    out
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    writeln!(out, "{text}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::super::Tally;
    use super::super::testing::ended;
    use super::*;
    use crate::plan::{EventKind, Status};

    #[test]
    fn it_says_which_how_the_last_lines_what_helps_the_log_and_how_to_go_on() {
        let mut end = ended(
            61_000,
            "l2-b/apply",
            Status::Failed,
            61_000,
            "it\u{7} broke",
        );
        if let EventKind::StepFinished {
            help, tail, log, ..
        } = &mut end.kind
        {
            help.push("first line\nsecond line".to_owned());
            tail.push("  indented".to_owned());
            *log = Some("state/logs/r/l2-b-apply.log".to_owned());
        }
        let mut tally = Tally::default();
        tally.take(&end);
        let text = |go_on| failed_step(&tally.ended[0], go_on, Palette { color: false });
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
        assert!(text(Some(&resume)).ends_with("= help: then go on from here: `hl resume 3f9c`\n"));
        assert!(!text(None).contains("then"));
    }
}
