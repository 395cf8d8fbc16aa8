//! Files of assignments that `hl` itself writes: quoted so that they are read
//! back as they were, by [`read`] and by a shell.

use std::collections::BTreeMap;

use camino::Utf8Path;

use super::dotenv;
use crate::diag::Failure;

/// The assignments of the file at `path`; of a name that is set twice the last
/// one. None when there is no such file.
///
/// # Errors
/// It cannot be read, or a line is no assignment (65); values are not shown.
pub fn read(path: &Utf8Path, shown: &Utf8Path) -> Result<BTreeMap<String, String>, Failure> {
    let entries = dotenv::read(path, shown)?;
    let pairs = entries.into_iter().map(|entry| (entry.name, entry.value));
    Ok(pairs.collect())
}

/// `NAME="value"`, on one line whatever the value holds. A newline is written
/// as `\n`, which a shell leaves as it is; all else is the same to both.
pub fn assignment(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\n' => text.push_str("\\n"),
            '\\' | '"' | '$' => {
                text.push('\\');
                text.push(c);
            }
            // In double quotes a shell would run it, and dotenv has no escape
            // for it: single quotes for this one character.
            '`' => text.push_str("\"'`'\""),
            _ => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn there_and_back(values: &[String]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("x.env");
        let lines = values
            .iter()
            .enumerate()
            .map(|(i, value)| assignment(&format!("V{i:03}"), value) + "\n");
        std::fs::write(&path, lines.collect::<String>()).unwrap();
        read(&path, &path).unwrap().into_values().collect()
    }

    proptest! {
        #[test]
        fn values_are_read_as_they_were_written(
            values in prop::collection::vec(
                "[ -~\u{e4}\u{1f600}\n\t\r|&=`'\"\\\\$#{}\u{85}\u{2028}]{0,24}", 0..6)
        ) {
            prop_assert_eq!(there_and_back(&values), values);
        }
    }

    #[test]
    fn what_breaks_lines_and_shells_is_kept() {
        let values = [
            "a|b & c=d",
            "it's \"so\"",
            "$HOME ${HOME} $(id) `id`",
            "ends in \\",
            "first\nsecond\n",
            " lead and trail ",
            "# no comment",
            "",
        ]
        .map(str::to_owned);
        assert_eq!(there_and_back(&values), values);
    }

    #[test]
    fn a_shell_reads_the_same_and_runs_nothing() {
        let value = "a|b & c='d' $(touch x) `touch x` $HOME \\ # \"e\"";
        let script = format!("{}\nprintf %s \"$V\"", assignment("V", value));
        let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), value);
    }
}
