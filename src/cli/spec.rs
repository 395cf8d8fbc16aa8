//! `hl spec get`: this machine's spec, from a controller. It needs no lab.

use std::ffi::OsString;

use camino::Utf8PathBuf;

use super::serve_args::{SpecArgs, SpecGetArgs, SpecVerb};
use super::serve_status::pin;
use super::session::Session;
use crate::app::spec_get::{SpecRequest, fetch};
use crate::diag::{Exit, Failure};
use crate::pve::{Policy, https};
use crate::report::Paint;

/// Where specs are saved when no variable says otherwise.
const ETC: &str = "/usr/local/etc/homestak";

/// The exit code of `hl spec get` for a command that is wrong: machines know it so.
const USAGE: Exit = Exit::Child(1);

pub(super) fn spec(session: &Session, args: &SpecArgs) -> Result<Exit, Failure> {
    let SpecVerb::Get(args) = &args.verb;
    get(session, args).map_err(|failure| with_own_code(failure, &session.command))
}

/// A failure of this command line; one of `hl spec get` with the exit code of its own.
pub(super) fn with_own_code(mut failure: Failure, words: &[String]) -> Failure {
    let mut words = words.iter().skip_while(|word| word.starts_with('-'));
    let mut is = |name: &str| words.next().is_some_and(|word| word == name);
    if failure.exit == Exit::Usage && is("spec") && is("get") {
        failure.exit = USAGE;
    }
    failure
}

fn get(session: &Session, args: &SpecGetArgs) -> Result<Exit, Failure> {
    let request = request(session, args)?;
    let spec = fetch(&request)?;
    let etc = variable(session, "HOMESTAK_ETC").unwrap_or_else(|| ETC.to_owned());
    let usual = || Utf8PathBuf::from(etc).join("state/spec.yaml");
    let file = args.out.clone().unwrap_or_else(usual);
    if session.globals.dry_run {
        session.note(format!("would save the spec in `{file}`"));
        return Ok(Exit::Ok);
    }
    let changed = spec.save(&session.caller.cwd.join(&file))?;
    let identity = &request.identity;
    let text = if changed {
        format!("the spec of `{identity}` in `{file}`")
    } else {
        format!("the spec of `{identity}` in `{file}`: it is the same as before")
    };
    session.tell(Paint::Good, "Saved", text);
    Ok(Exit::Ok)
}

fn request(session: &Session, args: &SpecGetArgs) -> Result<SpecRequest, Failure> {
    let given = |flag: &Option<String>, name: &str| {
        let flag = flag.clone().filter(|text| !text.is_empty());
        flag.or_else(|| variable(session, name))
    };
    let needed = |flag: &Option<String>, option: &str, name: &str| {
        given(flag, name).ok_or_else(|| {
            let message = format!("neither `{option}` nor `{name}` is given");
            Failure::message(USAGE, message)
        })
    };
    let policy = match &args.fingerprint {
        Some(text) => Policy::Pinned(pin(text)?),
        None if args.insecure => Policy::Insecure,
        None => Policy::Roots,
    };
    let authorities = match &args.ca_cert {
        Some(file) => https::authorities(&session.caller.cwd.join(file))
            .map_err(|why| Failure::message(USAGE, format!("cannot use {why}")))?,
        None => Vec::new(),
    };
    Ok(SpecRequest {
        server: needed(&args.server, "--server", "HOMESTAK_SPEC_SERVER")?,
        identity: needed(&args.identity, "--identity", "HOMESTAK_IDENTITY")?,
        token: given(&args.token, "HOMESTAK_AUTH_TOKEN"),
        policy,
        authorities,
    })
}

fn variable(session: &Session, name: &str) -> Option<String> {
    let value = session.caller.var(name).filter(|value| !value.is_empty());
    value.map(str::to_owned)
}

/// `--output FILE` and `-k`, which machines call it with: both are flags of every verb,
/// and mean something else there.
pub(super) fn own_flags(args: &mut [OsString]) {
    let is_flag = |arg: &&OsString| arg.to_string_lossy().starts_with('-');
    let flags = args.iter().skip(1).take_while(is_flag).count();
    let is = |at: usize, word: &str| args.get(flags + at).is_some_and(|arg| arg == word);
    if !(is(1, "spec") && is(2, "get")) {
        return;
    }
    for arg in args.iter_mut().skip(flags + 3) {
        let Some(text) = arg.to_str() else { continue };
        if text == "-k" {
            *arg = OsString::from("--insecure");
        } else if let Some(rest) = text.strip_prefix("--output")
            && (rest.is_empty() || rest.starts_with('='))
        {
            *arg = OsString::from(format!("--out{rest}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_command_line_of_spec_get_has_a_code_of_its_own() {
        let code = |line: &str, exit: Exit| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            with_own_code(Failure::message(exit, "x"), &words).exit
        };
        assert_eq!(code("spec get --bogus", Exit::Usage), Exit::Child(1));
        assert_eq!(code("-q --json spec get", Exit::Usage), Exit::Child(1));
        assert_eq!(code("spec get", Exit::Unknown), Exit::Unknown);
        for other in ["spec", "spec git", "up spec get", "site resolve spec get"] {
            assert_eq!(code(other, Exit::Usage), Exit::Usage, "{other}");
        }
    }

    #[test]
    fn only_spec_get_has_flags_of_its_own() {
        let read = |line: &str| {
            let mut args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            own_flags(&mut args);
            let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
            words.join(" ")
        };
        let told = read("hl spec get -k --output=a --output b -o c --outputs");
        assert_eq!(
            told,
            "hl spec get --insecure --out=a --out b -o c --outputs"
        );
        assert_eq!(
            read("hl --json -q spec get -k"),
            "hl --json -q spec get --insecure"
        );
        let other = "hl up -k --output live";
        assert_eq!(read(other), other);
    }
}
