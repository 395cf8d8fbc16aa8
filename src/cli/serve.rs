//! `hl serve`: the controller. What it does is in `serve`, which is given here as a
//! function: neither room knows the other.

use std::fs::File;
use std::io::{self, IsTerminal, stderr};
use std::os::fd::AsFd;

use camino::Utf8PathBuf;

use super::serve_args::{ServeArgs, ServeVerb};
use super::session::{Session, usage};
use super::{serve_login, serve_status, serve_unit};
use crate::app::serving::{CertificateSource, Serve, ServeOptions, Started};
use crate::app::{RepoToken, TokenSources};
use crate::base::Queued;
use crate::diag::{Exit, Failure, say};
use crate::lab::controller;
use crate::lab::trace::TraceOutput;
use crate::report::Paint;

pub(super) fn serve(session: &Session, args: &ServeArgs, serve: Serve) -> Result<Exit, Failure> {
    match &args.verb {
        Some(ServeVerb::Status(status)) => {
            return serve_status::status(session, args.port, status);
        }
        Some(ServeVerb::Login(login)) => return serve_login::login(session, args.port, login),
        Some(ServeVerb::Logout) => return serve_login::logout(session, args.port),
        None => {}
    }
    if args.systemd {
        return serve_unit::print(session, args).map(|()| Exit::Ok);
    }
    let options = options(session, args)?;
    let mut announce = |started: &Started| announce(session, started);
    // It logs that it ends; more is not written to a terminal that may be stuck.
    serve(&session.caller, &options, &mut announce).map(|()| Exit::Ok)
}

fn options(session: &Session, args: &ServeArgs) -> Result<ServeOptions, Failure> {
    let caller = &session.caller;
    let (repo_token, warnings) = RepoToken::find(
        caller,
        TokenSources {
            argument: args.repo_token.as_deref(),
            file: args.repo_token_file.as_deref(),
            terminal: stderr().is_terminal(),
        },
    )?;
    session.warn(&warnings);
    let at = |path: &Utf8PathBuf| caller.cwd.join(path);
    let certificate = match (&args.cert, &args.key, &args.cert_dir) {
        (Some(cert), Some(key), _) => CertificateSource::Files {
            cert: at(cert),
            key: at(key),
        },
        (_, _, Some(dir)) => CertificateSource::Kept(at(dir)),
        _ => kept(session)?.map_or(CertificateSource::Ephemeral, CertificateSource::Kept),
    };
    let globals = &session.globals;
    // A daemon says what it does, unless it is told not to.
    let usual = if globals.quiet { "warn" } else { "info" };
    let said = caller.var("HL_LOG").filter(|said| !said.is_empty());
    let said = said.or_else(|| (globals.verbose < 2).then_some(usual));
    Ok(ServeOptions {
        bind: args.bind,
        port: args.port,
        certificate,
        repo_token,
        repos_dir: args.repos_dir.as_ref().map(at),
        exclude: args.exclude.clone(),
        log: TraceOutput::new(said, globals.verbose, log()?).map_err(usage)?,
    })
}

/// Where the lab's settings say that the certificate is kept, where there is a lab.
fn kept(session: &Session) -> Result<Option<Utf8PathBuf>, Failure> {
    let lab = session.caller.lab_if_any()?;
    Ok(lab.as_ref().and_then(controller::cert_dir))
}

/// Standard error, where a reader that does not read holds nobody.
fn log() -> Result<Queued, Failure> {
    let own = || -> io::Result<Queued> {
        // Not the lock that everything else of this process waits for.
        let copy = stderr().as_fd().try_clone_to_owned()?;
        Queued::new(File::from(copy))
    };
    own().map_err(|error| Failure::message(Exit::Bug, format!("cannot log: {error}")))
}

/// Says where it listens, once: to a person on stderr, with `--json` as a document.
fn announce(session: &Session, started: &Started) -> Result<(), Failure> {
    let listed = |names: &[String]| {
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join(", ")
    };
    session.tell(Paint::Active, "Serving", started.url.as_str());
    session.note(format!("  fingerprint: {}", started.fingerprint));
    session.note(format!("  specs: {}", listed(&started.specs)));
    session.note(format!("  repositories: {}", listed(&started.repos)));
    if !started.preparing.is_empty() {
        session.note(format!("  being prepared: {}", listed(&started.preparing)));
    }
    for refused in &started.refused {
        session.tell(
            Paint::Warn,
            "Warning",
            say(format!("`{}` is not served: {}", refused.name, refused.why)),
        );
    }
    if session.globals.json {
        return session.json(started);
    }
    if let Some(token) = &started.repo_token {
        // Also with --quiet: it is said here and nowhere else.
        session.say(&format!("  repo token, shown this once: {token}"));
    }
    Ok(())
}
