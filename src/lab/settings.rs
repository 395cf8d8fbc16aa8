//! `config/settings.env`: what the lab does unless told otherwise.
//!
//! Its one setting that matters most is a safety switch, so nothing in this
//! file is without effect: a slip in a key or a value is an error.

use super::Paths;
use super::environment::dotenv::{self, Entry};
use crate::diag::{Advice, Diagnostic, Exit, Failure, Source, did_you_mean};

/// The keys that have a meaning.
const KNOWN: [&str; 2] = ["dry_run", "replay_enabled"];

/// Keys that other programs which share this file's format read; `hl` does not.
const FOREIGN: [&str; 3] = ["ui_height", "ui_width", "log_level"];

/// A switch, and where it was set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its value; the default when it is not set.
    pub value: bool,
    /// File (as the user knows it) and line, from 1; nothing when it is not set.
    pub place: Option<(String, usize)>,
}

impl Setting {
    fn default_of(value: bool) -> Self {
        Self { value, place: None }
    }

    /// `config/settings.env:3`, when it is set.
    pub fn shown_place(&self) -> Option<String> {
        let (file, line) = self.place.as_ref()?;
        Some(format!("{file}:{line}"))
    }
}

/// `config/settings.env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `dry_run`: runs change nothing. Default: false.
    pub dry_run: Setting,
    /// `replay_enabled`: `hl replay` works. Default: true.
    pub replay_enabled: Setting,
}

impl Settings {
    /// Reads the lab's settings; without the file, the defaults. A rehearsal
    /// has those of the live lab.
    ///
    /// # Errors
    /// The file cannot be read, or has a line, a key or a value that means
    /// nothing (65); all of them are reported together.
    pub fn load(paths: &Paths) -> Result<Self, Failure> {
        let path = paths.settings();
        let shown = paths.show(&path);
        let entries = dotenv::read(&path, &shown)?;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        read(&entries, &Source::new(shown, text))
    }
}

fn read(entries: &[Entry], source: &Source) -> Result<Settings, Failure> {
    let mut settings = Settings {
        dry_run: Setting::default_of(false),
        replay_enabled: Setting::default_of(true),
    };
    let mut wrong = Vec::new();
    for entry in entries {
        let key = entry.name.to_ascii_lowercase();
        let at = |found: Diagnostic| found.at(line(source, entry.line));
        let setting = match key.as_str() {
            "dry_run" => &mut settings.dry_run,
            "replay_enabled" => &mut settings.replay_enabled,
            other if FOREIGN.contains(&other) => continue,
            other => {
                let mut found = Diagnostic::error(format!("there is no setting `{}`", entry.name));
                found
                    .help
                    .extend(did_you_mean(other, KNOWN).map(Advice::from));
                wrong.push(at(found));
                continue;
            }
        };
        if let Some((_, first)) = &setting.place {
            wrong.push(at(Diagnostic::error(format!(
                "`{key}` is set twice, first on line {first}"
            ))
            .help("keep one of the lines")));
            continue;
        }
        let Some(value) = switch(&entry.value) else {
            let is = match entry.value.escape_debug().to_string() {
                empty if empty.is_empty() => "empty".to_owned(),
                other => format!("`{other}`"),
            };
            let found = format!("`{key}` is {is}, expected `true` or `false`");
            let help = format!("write `{key}=true` or `{key}=false`");
            wrong.push(at(Diagnostic::error(found).help(help)));
            continue;
        };
        *setting = Setting {
            value,
            place: Some((source.path.to_string(), entry.line)),
        };
    }
    if wrong.is_empty() {
        Ok(settings)
    } else {
        Err(Failure::many(Exit::Definition, wrong))
    }
}

/// `true` or `false`, in any letter case.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// A whole line of the file.
fn line(source: &Source, number: usize) -> crate::diag::Place {
    let before = source.text.split_inclusive('\n').take(number - 1);
    let start = before.map(str::len).sum();
    let rest = source.text.get(start..).unwrap_or_default();
    let end = start + rest.lines().next().map_or(0, str::len);
    source.at(start..end, "")
}

/// What `DRY_RUN` says: `true`, `false`, `1` or `0` in any letter case;
/// nothing when it is empty.
///
/// # Errors
/// It says anything else (2): a safety switch is not guessed.
pub fn dry_run_variable(value: &str) -> Result<Option<bool>, Failure> {
    match value.trim() {
        "" => Ok(None),
        "1" => Ok(Some(true)),
        "0" => Ok(Some(false)),
        other => switch(other).map(Some).ok_or_else(|| {
            Failure::message(
                Exit::Usage,
                format!(
                    "`DRY_RUN` is `{}`, expected `true` or `false`",
                    other.escape_debug()
                ),
            )
            .help("`DRY_RUN=true` changes nothing, `DRY_RUN=false` runs live; unset it to let `config/settings.env` decide")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render;
    use camino::Utf8Path;

    struct World(tempfile::TempDir);

    impl World {
        fn new(text: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("config")).unwrap();
            std::fs::write(dir.path().join("config/settings.env"), text).unwrap();
            Self(dir)
        }

        fn paths(&self) -> Paths {
            Paths::live(Utf8Path::from_path(self.0.path()).unwrap())
        }
    }

    fn load(text: &str) -> Result<Settings, Failure> {
        Settings::load(&World::new(text).paths())
    }

    #[test]
    fn without_a_file_or_a_line_the_defaults_hold() {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
        for settings in [Settings::load(&paths), load("# nothing\n\n")] {
            let settings = settings.unwrap();
            assert!(!settings.dry_run.value && settings.replay_enabled.value);
            assert_eq!(settings.dry_run.place, None);
        }
    }

    #[test]
    fn keys_and_values_are_read_in_any_letter_case_with_their_lines() {
        for text in [
            "# x\ndry_run=true\nreplay_enabled=false\n",
            "\nDRY_RUN=TRUE\nReplay_Enabled='False'\n",
            "\nexport Dry_Run=\"True\" # why\nREPLAY_ENABLED=faLSE",
            "\u{feff}\r\nDRY_run=true\r\nreplay_enabled=false\r\n",
        ] {
            let settings = load(text).unwrap();
            let place = |line| Some(("config/settings.env".to_owned(), line));
            assert_eq!(
                (settings.dry_run.value, settings.dry_run.place),
                (true, place(2)),
                "{text}"
            );
            assert_eq!(
                (
                    settings.replay_enabled.value,
                    settings.replay_enabled.place.clone()
                ),
                (false, place(3))
            );
        }
    }

    #[test]
    fn a_rehearsal_has_the_labs_settings() {
        let world = World::new("dry_run=true\n");
        let settings = Settings::load(&world.paths().rehearsal()).unwrap();
        assert_eq!(
            settings.dry_run.shown_place().as_deref(),
            Some("config/settings.env:1")
        );
    }

    #[test]
    fn what_means_nothing_is_an_error_with_its_line() {
        let failure = load(
            "ui_width=80\ndry_rn=true\ndry_run=yes\nreplay_enabled=\nDRY_RUN=true\ndry_run=false\n",
        )
        .unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        insta::assert_snapshot!(render(&failure, false, crate::diag::Commands::Live));
    }

    #[test]
    fn the_variable_is_true_or_false() {
        let said = |value: &str| dry_run_variable(value).map_err(|f| f.exit);
        assert_eq!(said("True"), Ok(Some(true)));
        assert_eq!(said("0"), Ok(Some(false)));
        assert_eq!(said(" "), Ok(None));
        assert_eq!(said("yes"), Err(Exit::Usage));
    }
}
