//! Findings in a narrow terminal. Lines that quote a file stay as they are: what
//! is underlined must stand above its line.

use crate::plan::{sanitize, wrap};

/// A rendered finding, its title and its remarks in lines of `width` columns.
pub(super) fn narrow(finding: &str, width: Option<usize>) -> String {
    let lines = finding.lines().map(|line| match indent(&sanitize(line)) {
        Some(indent) => wrap(line, 0, indent, width),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Where a line is continued.
fn indent(line: &str) -> Option<usize> {
    if ["error: ", "warning: "]
        .iter()
        .any(|title| line.starts_with(title))
    {
        return Some(2);
    }
    let remark = ["  = help: ", "  = note: ", "          "];
    remark
        .iter()
        .any(|begin| line.starts_with(begin))
        .then_some(10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Diagnostic, Exit, Failure, Source, render};

    #[test]
    fn titles_and_remarks_are_broken_between_words_and_quoted_lines_are_not() {
        let quoted = format!("name = \"{}\"", "a b ".repeat(20));
        let source = Source::new("layer.toml", quoted.clone());
        let plain =
            Diagnostic::error("`ansible-playbook`, `packer` are not on PATH of this process")
                .note("`ansible-playbook` is needed by `l3-converge`, `l4-converge`")
                .help("install what is missing");
        let placed = Diagnostic::error("unknown key").at(source.at(0..4, "here"));
        let failure = Failure::many(Exit::Runway, vec![plain, placed]);
        for color in [false, true] {
            let rendered = render(&failure, color, crate::diag::Commands::Live);
            let text = sanitize_lines(&narrow(&rendered, Some(60)));
            assert!(text.starts_with(
                "error: `ansible-playbook`, `packer` are not on PATH of this\n  process\n  = note: \
                 `ansible-playbook` is needed by `l3-converge`,\n          `l4-converge`\n"
            ), "{text}");
            assert!(text.contains(&quoted), "{text}");
            assert_eq!(narrow(&rendered, None), rendered);
        }
    }

    fn sanitize_lines(text: &str) -> String {
        text.lines().map(sanitize).collect::<Vec<_>>().join("\n")
    }
}
