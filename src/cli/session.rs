//! What one invocation knows: flags, process environment, terminal, lab.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write, stderr, stdout};
use std::os::fd::AsFd;
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};

use super::admit::{Kind, admit};
use super::flags::{ColorWhen, Globals, OutputMode, Overlay};
use super::narrow::narrow;
use super::nodes;
use super::patience::patiently;
use crate::base::json;
use crate::diag::{Advice, Commands, Diagnostic, Exit, Failure, render};
use crate::lab::environment::{self, LoadOptions, load};
use crate::lab::trust::User;
use crate::lab::variables::is_secret;
use crate::lab::{Environment, Lab, Paths, Redactor, locate, within};
use crate::plan::{TEXT, wrap};
use crate::rehearse::use_own_keys;
use crate::report::{Look, Mode, Paint, Palette, usual};
use crate::site::secrets::Vault;
use crate::site::{SYSTEM, Search, Tree, discover, named_by_variable};

/// Set by `hl rehearse` for the `hl` that it runs inside: all that is written
/// goes under `state/rehearsal/`.
pub(super) const REHEARSAL: &str = "HL_REHEARSAL";

/// Beside it, the names of the variables whose values are secret, separated by
/// commas: inside, all of them come from the process environment.
pub(super) const HIDDEN: &str = "HL_REHEARSAL_HIDDEN";

/// One invocation.
#[derive(Debug)]
pub(super) struct Session {
    /// Flags.
    pub globals: Globals,
    /// The environment `hl` was started with.
    pub process: BTreeMap<String, String>,
    /// Who started it; of `process` as it was then.
    pub user: User,
    /// Where it was started.
    pub cwd: Utf8PathBuf,
    /// The command line, program name left out.
    pub command: Vec<String>,
    /// A document was given, or a run was reported to machines in another way:
    /// there is no second one.
    pub reported: Rc<Cell<bool>>,
    /// The secrets that were met so far: no message may show them.
    known: Rc<RefCell<BTreeSet<String>>>,
}

impl Session {
    /// The session of this process.
    pub(super) fn new(globals: Globals, command: Vec<String>) -> Result<Self, Failure> {
        let process = environment::process();
        let cwd = std::env::current_dir()
            .ok()
            .and_then(|dir| Utf8PathBuf::from_path_buf(dir).ok())
            .ok_or_else(|| {
                Failure::message(
                    Exit::Usage,
                    "the current directory is gone or its name is not UTF-8",
                )
            })?;
        Ok(Self {
            globals,
            user: User::of(&process),
            process,
            cwd,
            command,
            reported: Rc::default(),
            known: Rc::default(),
        })
    }

    /// The same session with flags given behind a recipe's name laid over it.
    pub(super) fn with(&self, later: Globals) -> Self {
        Self {
            globals: self.globals.clone().overlaid(later),
            process: self.process.clone(),
            user: self.user.clone(),
            cwd: self.cwd.clone(),
            command: self.command.clone(),
            reported: Rc::clone(&self.reported),
            known: Rc::clone(&self.known),
        }
    }

    /// The same session, about the lab's rehearsals.
    pub(super) fn rehearsed(&self) -> Self {
        let mut session = self.with(self.globals.clone());
        session.process.insert(REHEARSAL.to_owned(), "1".to_owned());
        session
    }

    /// The lab, found upward from here or named by `--lab`. Nothing in it is
    /// read before it is known to be the user's own, or trusted.
    pub(super) fn lab(&self) -> Result<Lab, Failure> {
        let root = locate(&self.cwd, self.globals.lab.as_deref())?;
        admit(&self.user, &root, Kind::Lab)?;
        let mut lab = Lab::read(root)?;
        lab.paths = self.with_site(&lab.paths)?;
        if self.rehearsing() {
            lab.paths = lab.paths.rehearsal();
            use_own_keys(&mut lab);
        }
        Ok(lab)
    }

    /// The lab's paths with the site-config that the one search finds. A lab
    /// may be without any; a place that is named must be there.
    fn with_site(&self, paths: &Paths) -> Result<Paths, Failure> {
        let found = discover(&Search {
            flag: None,
            process: &self.process,
            cwd: &self.cwd,
            lab: Some(paths.root()),
            system: &SYSTEM,
        });
        match found {
            Ok(found) => {
                self.admit_site(&found.root, Some(paths.root()))?;
                Ok(paths.with_site(found.root))
            }
            Err(_) if !named_by_variable(&self.process) => Ok(paths.clone()),
            Err(failure) => Err(failure),
        }
    }

    /// Lets a site-config be used. What is in the lab is as trusted as the lab.
    pub(super) fn admit_site(
        &self,
        site: &Utf8Path,
        lab: Option<&Utf8Path>,
    ) -> Result<(), Failure> {
        let real = site.canonicalize_utf8().unwrap_or_else(|_| site.to_owned());
        if lab.is_some_and(|lab| real.starts_with(lab)) {
            return Ok(());
        }
        admit(&self.user, &real, Kind::Site)
    }

    /// Inside a rehearsal.
    pub(super) fn rehearsing(&self) -> bool {
        self.process
            .get(REHEARSAL)
            .is_some_and(|value| value == "1")
    }

    /// The environment of the lab's tools; warnings go to stderr.
    pub(super) fn environment(&self, lab: &Lab, ask_doppler: bool) -> Result<Environment, Failure> {
        let hidden = self.process.get(HIDDEN).filter(|_| self.rehearsing());
        let hidden = hidden.map(String::as_str).unwrap_or_default();
        let options = LoadOptions {
            secret_names: hidden.split(',').map(str::to_owned).collect(),
            flags: self.globals.env.clone(),
            process: self.process.clone(),
            ask_doppler,
        };
        let told = (ask_doppler && !self.globals.quiet).then(|| {
            let verb = self.palette().verb(Paint::Active, "Waiting");
            format!("{verb} for the variables: Doppler is given 30s to answer")
        });
        let say = || {
            if let Some(told) = told {
                drop(writeln!(stderr(), "{told}"));
            }
        };
        let mut loaded = patiently(say, || load(lab, &options))?;
        let typed = self.command.iter().flat_map(|word| within(word));
        loaded.env.hide(typed);
        self.know(&loaded.env);
        if !self.globals.quiet {
            let redactor = Redactor::new(loaded.env.secrets());
            for warning in loaded.warnings {
                let warning = Failure::many(Exit::Ok, vec![warning]);
                self.say(&redactor.text(&self.finding(&warning)));
            }
        }
        self.with_nodes(lab, &loaded.env)
    }

    /// The environment with what the site says of each node.
    fn with_nodes(&self, lab: &Lab, env: &Environment) -> Result<Environment, Failure> {
        let site = lab.paths.site();
        let shown = lab.paths.show(&site);
        let variables = env
            .iter()
            .map(|(name, var)| (name.to_owned(), var.value.clone()))
            .collect();
        let opened = Vault::new(&site, &shown, &variables).load();
        let loaded = opened.as_ref().ok().and_then(Option::as_ref);
        if let Some(loaded) = loaded.filter(|_| !self.globals.quiet) {
            for warning in loaded.warnings.clone() {
                let failure = Failure::many(Exit::Ok, vec![warning]);
                self.say(&self.finding(&failure));
            }
        }
        let secrets = match &opened {
            Ok(loaded) => Ok(loaded.as_ref().map(|loaded| &loaded.secrets)),
            Err(failure) => Err(failure),
        };
        let tree = Tree::new(site.clone(), shown.clone());
        let env = nodes::with_nodes(env, &tree, secrets, self.rehearsing())?;
        self.know(&env);
        Ok(env)
    }

    fn know(&self, env: &Environment) {
        let secrets = env.secrets().map(str::to_owned);
        self.known.borrow_mut().extend(secrets);
    }

    /// Masks what is known to be secret by now: before variables are loaded,
    /// what stands in the command line and in the process environment.
    pub(super) fn redactor(&self) -> Redactor {
        let known = self.known.borrow();
        let given = self.process.iter();
        let flags = self.globals.env.iter().map(|(name, value)| (name, value));
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

    /// Writes narration to stderr. A closed stderr is nobody's problem.
    #[expect(
        clippy::unused_self,
        reason = "all output of an invocation goes through its session"
    )]
    pub(super) fn say(&self, text: &str) {
        drop(writeln!(stderr(), "{}", text.trim_end()));
    }

    /// Says a line with its verb, unless `--quiet`; a long one is continued
    /// under its text.
    pub(super) fn tell(&self, paint: Paint, verb: &str, text: &str) {
        let verb = self.palette().verb(paint, verb);
        let text = wrap(text, TEXT, TEXT, Self::width());
        self.note(format!("{verb} {text}"));
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

    /// Says warnings unless `--quiet`. They hold no secret.
    pub(super) fn warn(&self, warnings: &[Diagnostic]) {
        if !warnings.is_empty() {
            let warnings = Failure::many(Exit::Ok, warnings.to_vec());
            self.note(self.finding(&warnings));
        }
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
        let set = |name: &str| {
            self.process
                .get(name)
                .is_some_and(|value| !value.is_empty())
        };
        match self.globals.color {
            Some(ColorWhen::Always) => true,
            Some(ColorWhen::Never) => false,
            Some(ColorWhen::Auto) | None if set("NO_COLOR") => false,
            _ if set("CLICOLOR_FORCE") => {
                self.process.get("CLICOLOR_FORCE").is_some_and(|v| v != "0")
            }
            _ => terminal && self.process.get("TERM").is_none_or(|term| term != "dumb"),
        }
    }

    /// Whether a person can be asked.
    pub(super) fn interactive() -> bool {
        std::io::stdin().is_terminal() && stderr().is_terminal()
    }

    /// How a run is shown; `again` is the command that runs it again.
    pub(super) fn look(&self, again: String) -> Look {
        let terminal = stderr().is_terminal();
        let dumb = self.process.get("TERM").is_some_and(|term| term == "dumb");
        Look {
            mode: self.mode(),
            palette: self.palette(),
            bars: terminal && !dumb && !self.process.contains_key("CI"),
            width: Self::width,
            github: self.github(),
            again: Some(again),
            resume: None,
            usual: usual(BTreeMap::new),
        }
    }

    /// Whether GitHub Actions reads what is said.
    pub(super) fn github(&self) -> bool {
        let set = self.process.get("GITHUB_ACTIONS");
        set.is_some_and(|value| value == "true")
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

/// Columns of a terminal, now: it may be resized.
fn columns(terminal: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// A finding as a plain usage error.
pub(super) fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, Diagnostic::error(message))
}
