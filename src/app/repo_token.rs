//! The token that opens a controller's repositories: where it comes from. It is kept
//! nowhere.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;
use rustix::rand::{GetRandomFlags, getrandom};

use super::caller::Caller;
use crate::base::hex;
use crate::diag::{Diagnostic, Exit, Failure};

/// The variable that holds it.
pub const VARIABLE: &str = "HL_REPO_TOKEN";

/// The name of systemd's credential that holds it.
const CREDENTIAL: &str = "repo-token";

/// No token is longer, in bytes.
const LONGEST: u64 = 4096;

/// A token, and where it comes from. Printing it does not show it.
#[derive(Clone)]
pub struct RepoToken {
    text: String,
    generated: bool,
}

/// Where a token may come from, apart from the environment.
#[derive(Clone, Copy)]
pub struct TokenSources<'a> {
    /// As it was given on the command line.
    pub argument: Option<&'a str>,
    /// The file that holds it.
    pub file: Option<&'a Utf8Path>,
    /// Whether a person sees it when it is made now.
    pub terminal: bool,
}

impl RepoToken {
    /// The first of: the argument, the file, `HL_REPO_TOKEN`, the credential
    /// `repo-token` of systemd, a new one where a terminal shows it. With it comes what
    /// the user should know.
    ///
    /// # Errors
    /// It is empty or cannot be sent in a header (2), its file cannot be read (66), there
    /// is none (2).
    pub fn find(
        caller: &Caller,
        sources: TokenSources<'_>,
    ) -> Result<(Self, Vec<Diagnostic>), Failure> {
        let mut warnings = Vec::new();
        let credentials = caller.var("CREDENTIALS_DIRECTORY").map(Utf8Path::new);
        let credential = credentials.map(|dir| dir.join(CREDENTIAL));
        let credential = credential.filter(|file| file.exists());
        let (text, what) = if let Some(text) = sources.argument {
            warnings.push(
                Diagnostic::warning("other users of this machine can see `--repo-token`")
                    .help(format!("give it by `--repo-token-file` or `{VARIABLE}`")),
            );
            (text.to_owned(), "`--repo-token`".to_owned())
        } else if let Some(file) = sources.file {
            let file = caller.cwd.join(file);
            (read(&file, &mut warnings)?, format!("`{file}`"))
        } else if let Some(text) = caller.var(VARIABLE) {
            (text.to_owned(), format!("`{VARIABLE}`"))
        } else if let Some(file) = credential {
            (read(&file, &mut warnings)?, format!("`{file}`"))
        } else if sources.terminal {
            return Ok((Self::generate()?, warnings));
        } else {
            return Err(missing());
        };
        check(&text, &what)?;
        let token = Self {
            text,
            generated: false,
        };
        Ok((token, warnings))
    }

    fn generate() -> Result<Self, Failure> {
        let mut bytes = [0_u8; 20];
        let filled = getrandom(&mut bytes[..], GetRandomFlags::empty());
        if filled != Ok(bytes.len()) {
            let message = "cannot make a repo token: the system gives no random numbers";
            return Err(Failure::message(Exit::Bug, message));
        }
        Ok(Self {
            text: hex(&bytes),
            generated: true,
        })
    }

    /// The token itself.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// The token, where it was made now and nobody else knows it.
    pub fn generated(&self) -> Option<&str> {
        self.generated.then_some(self.text.as_str())
    }
}

impl fmt::Debug for RepoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RepoToken(..)")
    }
}

impl fmt::Debug for TokenSources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSources").finish_non_exhaustive()
    }
}

fn read(file: &Utf8Path, warnings: &mut Vec<Diagnostic>) -> Result<String, Failure> {
    let unreadable = |error: std::io::Error| {
        let message = format!("cannot read the repo token in `{file}`: {error}");
        Failure::message(Exit::Unknown, message)
    };
    let opened = File::open(file).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        warnings.push(
            Diagnostic::warning(format!(
                "others can read the repo token in `{file}`: its mode is {mode:04o}"
            ))
            .help(format!("`chmod 600 {file}`")),
        );
    }
    let mut text = String::new();
    opened
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    let end = text.trim_end_matches(['\n', '\r']).len();
    text.truncate(end);
    Ok(text)
}

fn check(text: &str, what: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Err(
            Failure::message(Exit::Usage, format!("the repo token is empty: {what}"))
                .help("make one: `openssl rand -hex 20`"),
        );
    }
    if text.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    let message = format!(
        "the repo token in {what} cannot be sent in a header: expected letters, digits and signs of ASCII, without spaces"
    );
    Err(Failure::message(Exit::Usage, message))
}

fn missing() -> Failure {
    Failure::message(
        Exit::Usage,
        "there is no repo token, and no terminal to show a new one on",
    )
    .help(format!(
        "give one: `--repo-token-file FILE`, `{VARIABLE}`, or `LoadCredential={CREDENTIAL}:FILE` in the unit"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn caller(process: &[(&str, &str)]) -> Caller {
        Caller::at("/", process)
    }

    const NONE: TokenSources<'_> = TokenSources {
        argument: None,
        file: None,
        terminal: false,
    };

    #[test]
    fn the_first_source_wins() {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap();
        let file = dir.join("token");
        fs::write(&file, "of-the-file\n").unwrap();
        fs::write(dir.join(CREDENTIAL), "of-systemd").unwrap();
        for file in [&file, &dir.join(CREDENTIAL)] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let systemd = ("CREDENTIALS_DIRECTORY", dir.as_str());
        let variable = (VARIABLE, "of-the-variable");
        let find = |process: &[(&str, &str)], sources| {
            let (token, warnings) = RepoToken::find(&caller(process), sources).unwrap();
            (token.reveal().to_owned(), warnings.len())
        };
        let argument = TokenSources {
            argument: Some("of-the-argument"),
            ..NONE
        };
        let from_file = TokenSources {
            file: Some(&file),
            ..NONE
        };
        let is = |text: &str, warnings| (text.to_owned(), warnings);
        let all = [systemd, variable];
        assert_eq!(find(&all, argument), is("of-the-argument", 1));
        assert_eq!(find(&all, from_file), is("of-the-file", 0));
        assert_eq!(find(&all, NONE), is("of-the-variable", 0));
        assert_eq!(find(&[systemd], NONE), is("of-systemd", 0));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(find(&all, from_file), is("of-the-file", 1));
    }

    #[test]
    fn an_empty_one_is_an_error_and_none_is_made_in_the_dark() {
        let refused = |process: &[(&str, &str)], sources| {
            RepoToken::find(&caller(process), sources)
                .unwrap_err()
                .to_string()
        };
        let empty = TokenSources {
            argument: Some(""),
            terminal: true,
            ..NONE
        };
        assert!(refused(&[], empty).contains("is empty"));
        assert!(refused(&[(VARIABLE, "")], NONE).contains("is empty"));
        let odd = refused(&[(VARIABLE, "two words")], NONE);
        assert!(odd.contains("header") && !odd.contains("two"), "{odd}");
        assert!(refused(&[], NONE).contains("no terminal"));
    }

    #[test]
    fn one_that_is_made_is_new_each_time_and_not_printed() {
        let terminal = TokenSources {
            terminal: true,
            ..NONE
        };
        let make = || RepoToken::find(&caller(&[]), terminal).unwrap().0;
        let (one, two) = (make(), make());
        assert_eq!(one.generated(), Some(one.reveal()));
        assert!(one.reveal().len() >= 32 && one.reveal() != two.reveal());
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
