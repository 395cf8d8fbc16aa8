//! Words of a command line, as `Getopt::Long` takes them apart: options anywhere, with one
//! dash or two, and `--` before what is no option.

use super::exchange::CommandReply;

/// What stands behind an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A value.
    Value,
    /// A yes or no that may be left out.
    Flag,
}

/// A command line, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// What is no option.
    pub(super) plain: Vec<String>,
    /// Options with their values, in order.
    pub(super) named: Vec<(String, String)>,
    /// What stands behind `--`.
    pub(super) rest: Vec<String>,
}

impl Options {
    /// Reads words; `takes` knows the options.
    pub(super) fn read(
        words: &[String],
        takes: impl Fn(&str) -> Option<Takes>,
    ) -> Result<Self, CommandReply> {
        let mut found = Self::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            if word == "--" {
                found.rest.extend(words.cloned());
                break;
            }
            let Some(option) = name_of(word) else {
                found.plain.push(word.clone());
                continue;
            };
            let (name, given) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (option, None),
            };
            let Some(kind) = takes(name) else {
                let text = format!("Unknown option: {name}\n400 unable to parse option");
                return Err(CommandReply::failed(text));
            };
            let value = match (given, kind) {
                (Some(value), _) => value,
                (None, Takes::Value) => {
                    if let Some(value) = words.next() {
                        value.clone()
                    } else {
                        let text = format!(
                            "Option {name} requires an argument\n400 unable to parse option"
                        );
                        return Err(CommandReply::failed(text));
                    }
                }
                (None, Takes::Flag) => words
                    .next_if(|next| name_of(next).is_none() && *next != "--")
                    .map_or_else(|| "1".to_owned(), |next| flag(next)),
            };
            found.named.push((name.to_owned(), value));
        }
        Ok(found)
    }
}

/// The name of an option, without its dashes.
fn name_of(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        .then_some(name)
}

/// The words that a command line takes for a yes or no, as the API has them.
fn flag(word: &str) -> String {
    match crate::drive::boolean(word) {
        Some(true) => "1".to_owned(),
        Some(false) => "0".to_owned(),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, CommandReply> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Options::read(&words, |name| match name {
            "full" | "purge" => Some(Takes::Flag),
            "scsi0" | "name" => Some(Takes::Value),
            _ => None,
        })
    }

    fn named(found: &Options) -> Vec<(&str, &str)> {
        let named = found.named.iter();
        named.map(|(k, v)| (k.as_str(), v.as_str())).collect()
    }

    #[test]
    fn options_stand_anywhere_with_one_dash_or_two() {
        let found = read("-scsi0 a:b,c=d 100 --full --name=-x -purge no").unwrap();
        assert_eq!(found.plain, ["100"]);
        assert_eq!(
            named(&found),
            [
                ("scsi0", "a:b,c=d"),
                ("full", "1"),
                ("name", "-x"),
                ("purge", "0")
            ]
        );
        let found = read("100 --full -- ls -l --name").unwrap();
        assert_eq!(found.plain, ["100"]);
        assert_eq!(found.rest, ["ls", "-l", "--name"]);
    }

    #[test]
    fn what_is_no_option_is_said() {
        let error = read("100 --wings 2").unwrap_err();
        assert_eq!(
            error.err,
            "Unknown option: wings\n400 unable to parse option\n"
        );
        assert_eq!(error.code, 255);
        assert!(
            read("100 --name")
                .unwrap_err()
                .err
                .starts_with("Option name")
        );
    }
}
