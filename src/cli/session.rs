//! What one invocation knows: flags, process environment, terminal, lab.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;

use camino::Utf8PathBuf;

use super::flags::{ColorWhen, Globals, OutputMode};
use super::narrow::narrow;
use super::patience::patiently;
use crate::app::{Caller, DETACHED, LoadedLab, REHEARSAL, REHEARSAL_ASKS, leave_session};
use crate::base::json;
use crate::diag::{Advice, Commands, Diagnostic, Exit, Failure, Severity, render};
use crate::lab::trust::User;
use crate::lab::variables::is_secret;
use crate::lab::{Environment, Lab, Provenance, Redactor, Var, environment, within};
use crate::layers::{self, Book};
use crate::rehearse::{given_listener, is_within};
use crate::report::{Look, Mode, Paint, Palette, usual};

/// One invocation.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Flags, but for `--lab` and `--set`: those are the caller's.
    pub globals: Globals,
    /// Who started it, from where, with which variables.
    pub caller: Caller,
    /// The command line, program name left out.
    pub command: Vec<String>,
    /// It goes on without a terminal.
    pub detached: bool,
    /// Where the run of a rehearsal is spoken to.
    pub listener: Option<Arc<UnixListener>>,
    /// A document was given, or a run was reported to machines in another way:
    /// there is no second one.
    pub reported: Rc<Cell<bool>>,
    /// The scenario that is asked for, once its name was read.
    pub scenario: Rc<RefCell<Option<String>>>,
    /// `--dry-run` was among the words behind a verb.
    pub dry: Rc<Cell<bool>>,
    /// The secrets that were met so far: no message may show them.
    known: Rc<RefCell<BTreeSet<String>>>,
    /// The lab and its layers, once they were read.
    lab: Rc<OnceCell<Lab>>,
    book: Rc<OnceCell<Rc<Book>>>,
}

impl Session {
    /// The session of this process.
    pub(super) fn new(mut globals: Globals, command: Vec<String>) -> Result<Self, Failure> {
        let mut process = environment::process();
        // It is for this process alone.
        let detached = process.remove(DETACHED).is_some();
        // The `hl` inside of a rehearsal is in the session of the one that typed it.
        if detached && process.get(REHEARSAL).is_none_or(|on| on != "1") {
            leave_session()?;
        }
        let cwd = std::env::current_dir()
            .ok()
            .and_then(|dir| Utf8PathBuf::from_path_buf(dir).ok())
            .ok_or_else(|| {
                Failure::message(
                    Exit::Usage,
                    "the current directory is gone or its name is not UTF-8",
                )
            })?;
        let caller = Caller {
            user: User::of(&process),
            process,
            cwd,
            lab: globals.lab.take(),
            set: std::mem::take(&mut globals.set),
        };
        Ok(Self {
            globals,
            command,
            listener: given_here(&caller),
            caller,
            detached,
            reported: Rc::default(),
            scenario: Rc::default(),
            dry: Rc::default(),
            known: Rc::default(),
            lab: Rc::default(),
            book: Rc::default(),
        })
    }

    /// The same session with other flags; the lab and the variables that they name
    /// are laid over its own.
    pub(super) fn with(&self, mut globals: Globals) -> Self {
        self.dry.set(self.dry.get() || globals.dry_run);
        let mut session = self.in_lab(globals.lab.take());
        session.caller.set.append(&mut globals.set);
        session.globals = globals;
        session
    }

    /// The same session in another lab, if one is named.
    pub(super) fn in_lab(&self, lab: Option<Utf8PathBuf>) -> Self {
        let mut session = self.clone();
        if lab.is_some() && lab != session.caller.lab {
            session.caller.lab = lab;
            session.forget_lab();
        }
        session
    }

    fn forget_lab(&mut self) {
        self.lab = Rc::default();
        self.book = Rc::default();
    }

    /// The same session, about the lab's rehearsals.
    pub(super) fn rehearsed(&self) -> Self {
        self.with_variables([(REHEARSAL.to_owned(), "1".to_owned())])
    }

    /// The same session with other variables. They may decide which lab is meant.
    pub(super) fn with_variables(
        &self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut session = self.clone();
        session.caller.process.extend(variables);
        session.forget_lab();
        session
    }

    /// The lab, see [`Caller::lab`]; read once.
    pub(super) fn lab(&self) -> Result<Lab, Failure> {
        if let Some(lab) = self.lab.get() {
            return Ok(lab.clone());
        }
        let lab = self.caller.lab()?;
        Ok(self.lab.get_or_init(|| lab).clone())
    }

    /// The lab's layers; read once.
    pub(super) fn book(&self) -> Result<Rc<Book>, Failure> {
        if let Some(book) = self.book.get() {
            return Ok(Rc::clone(book));
        }
        let book = Rc::new(layers::load(&self.lab()?.paths)?);
        Ok(Rc::clone(self.book.get_or_init(|| book)))
    }

    /// The lab with its layers and its variables.
    pub(super) fn load(&self, ask_doppler: bool) -> Result<LoadedLab, Failure> {
        let (lab, book) = (self.lab()?, self.book()?);
        for line in book.old_names() {
            self.tell(Paint::Warn, "Warning", &line);
        }
        let env = self.environment(&lab, ask_doppler)?;
        Ok(LoadedLab::new(lab, book, env))
    }

    /// Whether the run is to go on in another process.
    pub(super) fn leaves(&self) -> bool {
        self.globals.detach && !self.detached
    }

    /// Whether what the run asks waits for an answer from elsewhere. In CI nobody
    /// answers.
    pub(super) fn waits(&self) -> bool {
        let is_on = |name: &str| {
            let value = self.caller.var(name).unwrap_or_default();
            !["", "0", "false"].contains(&value)
        };
        let asks = self.detached || self.rehearsing() && is_on(REHEARSAL_ASKS);
        asks && !self.globals.no_input && !is_on("CI")
    }

    /// Inside a rehearsal.
    pub(super) fn rehearsing(&self) -> bool {
        self.caller.rehearsing()
    }

    /// The environment of the lab's tools; warnings go to stderr.
    pub(super) fn environment(&self, lab: &Lab, ask_doppler: bool) -> Result<Environment, Failure> {
        let told = (ask_doppler && !self.globals.quiet).then(|| {
            let verb = self.palette().verb(Paint::Active, "Waiting");
            format!("{verb} for the variables: Doppler is given 30s to answer")
        });
        let say = || {
            if let Some(told) = told {
                drop(writeln!(stderr(), "{told}"));
            }
        };
        let caller = &self.caller;
        let mut loaded = patiently(say, || caller.variables(lab, ask_doppler))?;
        let typed = self.command.iter().flat_map(|word| within(word));
        loaded.env.hide(typed);
        self.know(&loaded.env);
        self.odd(loaded.warnings, &loaded.env);
        let (env, warnings) = caller.with_nodes(lab, &loaded.env)?;
        self.know(&env);
        self.odd(warnings, &env);
        Ok(env)
    }

    /// What is odd about the variables.
    fn odd(&self, warnings: Vec<Diagnostic>, env: &Environment) {
        if self.globals.quiet {
            return;
        }
        let redactor = Redactor::new(env.secrets());
        for warning in warnings {
            let warning = Failure::many(Exit::Ok, vec![warning]);
            self.say(&redactor.text(&self.finding(&warning)));
        }
    }

    fn know(&self, env: &Environment) {
        let secrets = env.secrets().map(str::to_owned);
        self.known.borrow_mut().extend(secrets);
    }

    /// Masks what is known to be secret by now: before variables are loaded,
    /// what stands in the command line and in the process environment.
    pub(super) fn redactor(&self) -> Redactor {
        let known = self.known.borrow();
        let given = self.caller.process.iter();
        let flags = self.caller.set.iter().map(|(name, value)| (name, value));
        let given = given.chain(flags).flat_map(|(name, value)| {
            if is_secret(name) {
                vec![value.as_str()]
            } else {
                within(value)
            }
        });
        let typed = self.command.iter().flat_map(|word| within(word));
        let known = known.iter().map(String::as_str);
        Redactor::new(known.chain(given).chain(typed))
    }

    /// A failure without secrets: what could not be read may be named in it.
    pub(super) fn masked(&self, failure: &Failure) -> Failure {
        let redactor = self.redactor();
        let mut failure = failure.clone();
        for finding in &mut failure.diagnostics {
            for help in &mut finding.help {
                *help = redactor.text(&self.text(help.clone())).into();
            }
            for text in finding.notes.iter_mut().chain([&mut finding.message]) {
                *text = redactor.text(text);
            }
            if let Some(place) = &mut finding.place {
                place.label = redactor.text(&place.label);
            }
        }
        failure
    }

    /// Writes narration to stderr. A closed stderr is no failure.
    #[expect(
        clippy::unused_self,
        reason = "all output of an invocation goes through its session"
    )]
    pub(super) fn say(&self, text: &str) {
        drop(writeln!(stderr(), "{}", text.trim_end()));
    }

    /// Says a line with its verb, unless `--quiet`.
    pub(super) fn tell(&self, paint: Paint, verb: &str, text: impl Into<Advice>) {
        let verb = self.palette().verb(paint, verb);
        self.note(format!("{verb} {}", self.text(text)));
    }

    /// Says something unless `--quiet`.
    pub(super) fn note(&self, text: impl Into<Advice>) {
        if !self.globals.quiet {
            self.say(&self.text(text));
        }
    }

    /// Whose commands of `hl` are advised.
    pub(super) fn commands(&self) -> Commands {
        if self.rehearsing() {
            Commands::Rehearsed
        } else {
            Commands::Live
        }
    }

    /// Advice as it is read, its commands written out.
    pub(super) fn text(&self, advice: impl Into<Advice>) -> String {
        advice.into().text(self.commands())
    }

    /// Says findings that hold no secret; with `--quiet` only errors.
    pub(super) fn warn(&self, findings: &[Diagnostic]) {
        let told = |found: &&Diagnostic| found.severity == Severity::Error || !self.globals.quiet;
        let findings = findings.iter().filter(told).cloned();
        self.fail(&Failure::many(Exit::Ok, findings.collect()));
    }

    /// Findings as they are said.
    pub(super) fn finding(&self, failure: &Failure) -> String {
        let text = render(failure, self.palette().color, self.commands());
        narrow(&text, Self::width())
    }

    /// Writes data to stdout.
    #[expect(
        clippy::unused_self,
        reason = "all output of an invocation goes through its session"
    )]
    pub(super) fn data(&self, text: &str) -> Result<(), Failure> {
        write_data(text)
    }

    /// Writes a JSON document to stdout.
    pub(super) fn json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = json::pretty(value)
            .map_err(|error| Failure::message(Exit::Bug, format!("cannot write JSON: {error}")))?;
        self.reported.set(true);
        self.data(&text)
    }

    /// Colours on stderr.
    pub(super) fn palette(&self) -> Palette {
        Palette {
            color: self.color(stderr().is_terminal()),
        }
    }

    /// Colours on stdout.
    pub(super) fn data_palette(&self) -> Palette {
        Palette {
            color: self.color(stdout().is_terminal()),
        }
    }

    /// Columns of the terminal behind stderr.
    pub(super) fn width() -> Option<usize> {
        stderr().is_terminal().then(|| columns(stderr()))?
    }

    /// Columns of the terminal behind stdout.
    pub(super) fn data_width() -> Option<usize> {
        stdout().is_terminal().then(|| columns(stdout()))?
    }

    /// `--color`, then `NO_COLOR`, then `CLICOLOR_FORCE`, then the terminal.
    fn color(&self, terminal: bool) -> bool {
        let set = |name: &str| self.caller.var(name).is_some_and(|value| !value.is_empty());
        match self.globals.color {
            Some(ColorWhen::Always) => true,
            Some(ColorWhen::Never) => false,
            Some(ColorWhen::Auto) | None if set("NO_COLOR") => false,
            _ if set("CLICOLOR_FORCE") => self.caller.var("CLICOLOR_FORCE") != Some("0"),
            _ => terminal && self.caller.var("TERM") != Some("dumb"),
        }
    }

    /// Whether a person can be asked.
    pub(super) fn interactive() -> bool {
        std::io::stdin().is_terminal() && stderr().is_terminal()
    }

    /// How a run is shown; `again` is the command that runs it again.
    pub(super) fn look(&self, again: String) -> Look {
        let terminal = stderr().is_terminal();
        let dumb = self.caller.var("TERM") == Some("dumb");
        Look {
            mode: self.mode(),
            palette: self.palette(),
            bars: terminal && !dumb && !self.caller.process.contains_key("CI"),
            width: Self::width,
            github: self.github(),
            again: Some(again),
            resume: None,
            usual: usual(BTreeMap::new),
        }
    }

    /// Whether GitHub Actions reads what is said.
    pub(super) fn github(&self) -> bool {
        self.caller.var("GITHUB_ACTIONS") == Some("true")
    }

    /// What is shown of the tools' output.
    fn mode(&self) -> Mode {
        if self.globals.quiet {
            return Mode::Quiet;
        }
        match self.globals.output {
            Some(OutputMode::Live) => Mode::Live,
            Some(OutputMode::Prefix) => Mode::Prefix,
            Some(OutputMode::Group) => Mode::Group,
            Some(OutputMode::Quiet) => Mode::Quiet,
            Some(OutputMode::Auto) | None if self.globals.verbose > 0 => Mode::Prefix,
            // There a group is folded, and a log file is gone with the machine.
            Some(OutputMode::Auto) | None if self.github() => Mode::Group,
            Some(OutputMode::Auto) | None => Mode::Steps,
        }
    }

    /// Prints a failure to stderr; [`Session::masked`] comes before it.
    pub(super) fn fail(&self, failure: &Failure) {
        if !failure.diagnostics.is_empty() {
            self.say(&self.finding(failure));
        }
    }
}

/// The socket that a rehearsal gives to the `hl` inside of it.
fn given_here(caller: &Caller) -> Option<Arc<UnixListener>> {
    let is_inner = caller.rehearsing() && is_within();
    is_inner.then(given_listener).flatten().map(Arc::new)
}

/// Writes data to stdout. A reader that went away stops nothing.
pub(super) fn write_data(text: &str) -> Result<(), Failure> {
    let mut out = stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::message(
            Exit::CannotWrite,
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Columns of a terminal, now: it may be resized.
fn columns(terminal: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A finding as a plain usage error.
pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, Diagnostic::error(message))
}

/// A variable that was given to this command.
pub(super) fn given(value: impl Display) -> Var {
    Var {
        value: value.to_string(),
        from: Provenance::Flag,
        secret: false,
    }
}
