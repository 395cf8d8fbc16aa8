//! `hl platform init`: asks for what `platform.yaml` lacks, and writes it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::answers::{Given, answers};
use super::args::InitArgs;
use super::ask::{Said, ask};
use crate::action::Approval;
use crate::base::ticked;
use crate::cli::approve::{Approve, approved};
use crate::cli::dry::{announce, decide};
use crate::cli::session::{Session, usage};
use crate::diag::{Diagnostic, Exit, Failure, did_you_mean, hl};
use crate::handoff::Runtime;
use crate::lab::{Environment, Lab, Lock, keep_secret, kept_secret};
use crate::platform::{self, About, Adapters, Draft, Kind, Question, Questions, Suggestions, Told};
use crate::report::Paint;
use crate::site::{self, Tree};

pub(super) fn init(session: &Session, args: &InitArgs) -> Result<(), Failure> {
    let lab = session.lab()?;
    let dry = decide(session, &lab)?;
    let adapters = Adapters::load(&lab.paths)?;
    let env = session.environment(&lab, false)?;
    let given = answers(&session.caller.cwd, args)?;
    let _lock = if dry.on {
        None
    } else {
        Some(Lock::take(&lab.paths, "hl platform init")?)
    };
    platform::Lock::is_not_newer(&lab.paths)?;
    platform::holds_no_secret(&lab.paths, &adapters)?;
    let mut draft = Draft::read(&lab.paths)?;
    let before = draft.told().clone();
    let mut told = before.clone();
    let questions = Questions {
        adapters: &adapters,
        suggestions: suggestions(&lab, &env)?,
    };
    if !args.adapters.is_empty() {
        are_known(&args.adapters, &adapters)?;
        questions.choose(&mut told, &args.adapters);
        may_go(session, &gone(&before, &told), dry.on)?;
    }
    told.fresh = told.adapters.is_empty();
    told.secrets = secrets(&lab, &env, &adapters)?;
    let mut wizard = Wizard {
        session,
        lab: &lab,
        questions,
        draft: &mut draft,
        dry: dry.on,
        written: false,
        removed: Vec::new(),
    };
    let told = wizard.run(told, given)?;
    let written = wizard.written;
    let removed = if dry.on {
        gone(&before, &told)
    } else {
        std::mem::take(&mut wizard.removed)
    };
    if session.globals.json {
        let names: Vec<&String> = told.adapters.iter().map(|(name, _)| name).collect();
        return session.json(&json!({
            "schema": "hl.platform-init/1", "dry_run": dry.on, "written": written, "adapters": names,
            "removed": removed,
        }));
    }
    if dry.on && !removed.is_empty() {
        session.tell(Paint::Warn, "Would remove", what_goes(&removed));
    }
    let (paint, verb) = match (written, dry.on) {
        (true, _) => (Paint::Good, "Wrote"),
        (false, true) => (Paint::Active, "Would write"),
        (false, false) => (Paint::Dim, "Unchanged"),
    };
    session.tell(paint, verb, "platform/platform.yaml");
    session.tell(
        Paint::Active,
        "Next",
        hl("platform render").say(" makes its files"),
    );
    announce(session, &dry);
    Ok(())
}

/// `--adapters` names adapters that there are.
fn are_known(names: &[String], adapters: &Adapters) -> Result<(), Failure> {
    for name in names {
        if adapters.get(name).is_none() {
            let message = format!("there is no adapter `{name}`");
            let help = did_you_mean(name, adapters.names());
            return Err(Failure::message(Exit::Unknown, message).helps(help));
        }
    }
    Ok(())
}

/// Adapters of the file that are no longer chosen.
fn gone(before: &Told, told: &Told) -> Vec<String> {
    let names = before.adapters.iter().map(|(name, _)| name);
    names
        .filter(|name| told.of(name).is_none())
        .cloned()
        .collect()
}

/// `k3s`, `sops` with all that they are told
fn what_goes(gone: &[String]) -> String {
    let they = if gone.len() == 1 { "it is" } else { "they are" };
    format!("{} with all that {they} told", ticked(gone))
}

/// Asks a person before adapters go that were not named.
fn may_go(session: &Session, gone: &[String], dry: bool) -> Result<(), Failure> {
    if gone.is_empty() || dry || Approve::of(session) != Approve::Ask {
        return Ok(());
    }
    let question = format!("remove {}?", what_goes(gone));
    let approval = Approval {
        question,
        ..Approval::default()
    };
    let help = "name them in `--adapters` as well, or leave that out";
    approved(session, &approval, "removed", help)
}

/// Variables of secrets that have a value.
fn secrets(lab: &Lab, env: &Environment, adapters: &Adapters) -> Result<BTreeSet<String>, Failure> {
    let inputs = adapters
        .iter()
        .flat_map(|adapter| &adapter.definition.inputs);
    let mut set = BTreeSet::new();
    for variable in inputs.filter_map(|input| input.variable.as_ref()) {
        let kept = || kept_secret(&lab.paths.made_secrets(), variable);
        if env.get(variable).is_some() || kept()?.is_some() {
            set.insert(variable.clone());
        }
    }
    Ok(set)
}

/// What the lab has that could be an answer.
fn suggestions(lab: &Lab, env: &Environment) -> Result<Suggestions, Failure> {
    let tree = Tree::new(lab.paths.site(), lab.paths.show(&lab.paths.site()));
    let mut nodes: Vec<String> = env.nodes().map(str::to_owned).collect();
    if nodes.is_empty() {
        nodes.extend(env.node().map(str::to_owned));
    }
    let runtime = Runtime::read(&lab.paths)?;
    let made = runtime.into_iter().flat_map(|runtime| runtime.environments);
    let machines = made.flat_map(|(_, made)| made.vms);
    Ok(Suggestions {
        nodes,
        environments: site::list(&tree),
        machines: machines
            .map(|(name, vm)| (name, vm.address, vm.vmid))
            .collect(),
    })
}

struct Wizard<'a> {
    session: &'a Session,
    lab: &'a Lab,
    questions: Questions<'a>,
    draft: &'a mut Draft,
    dry: bool,
    written: bool,
    /// Adapters that went.
    removed: Vec<String>,
}

impl Wizard<'_> {
    /// Asks until nothing is open; gives what was said.
    fn run(&mut self, mut told: Told, mut given: BTreeMap<String, Given>) -> Result<Told, Failure> {
        let asks = matches!(
            Approve::of(self.session),
            Approve::Ask | Approve::Yes { person: true }
        );
        let mut before: Vec<Told> = Vec::new();
        let mut at: Option<About> = None;
        loop {
            self.questions.settle(&mut told);
            if self.use_given(&mut told, &mut given)? {
                continue;
            }
            let open = self.questions.open(&told);
            let next = open.first();
            self.save_between(&told, at.as_ref(), next)?;
            let Some(question) = next else {
                break;
            };
            at = Some(question.about.clone());
            if !asks {
                if let Some(settled) = open.iter().find(|question| question.settled) {
                    Questions::leave(settled, &mut told);
                    continue;
                }
                let chosen = Some(&About::Organization);
                self.save_between(&told, chosen, Some(question))?;
                return Err(Self::still_open(&open));
            }
            let saved = told.clone();
            if self.answered(question.clone(), &mut told)? {
                before.push(saved);
            } else if let Some(earlier) = before.pop() {
                told = earlier;
            } else {
                let message = "the questions were left; what was written stays";
                return Err(Failure::message(Exit::NotApproved, message)
                    .help(hl("platform init").say(" goes on")));
            }
        }
        if let Some(key) = given.keys().next() {
            let message = format!("`{key}` answers no question of the platform");
            return Err(usage(message)
                .help("an answer is `organization`, `app_name`, `group.GROUP` or `ADAPTER.KEY`"));
        }
        Ok(told)
    }

    /// Asks until the answer is right. `false`: somebody went back.
    fn answered(&self, mut question: Question, told: &mut Told) -> Result<bool, Failure> {
        loop {
            let text = match ask(self.session, &question)? {
                Said::Back => return Ok(false),
                Said::Text(text) => text,
            };
            match self.questions.answer(&question, &text, told) {
                Ok(value) => {
                    self.keep(&question, &text)?;
                    self.questions.take(&question, value, told);
                    return Ok(true);
                }
                Err(why) => question.wrong = Some(why),
            }
        }
    }

    /// Takes one of the answers that were given, where it has a question now.
    fn use_given(
        &self,
        told: &mut Told,
        given: &mut BTreeMap<String, Given>,
    ) -> Result<bool, Failure> {
        // What others depend on comes first.
        let found = given
            .iter()
            .filter_map(|(key, given)| {
                let question = self.questions.named(key, told)?;
                Some((key.clone(), question, given.clone()))
            })
            .min_by(|(_, a, _), (_, b, _)| a.about.cmp(&b.about));
        let Some((key, question, answer)) = found else {
            return Ok(false);
        };
        given.remove(&key);
        if question.kind == Kind::Secret && !answer.by_file {
            let variable = question.variable.unwrap_or_default();
            return Err(usage(format!(
                "`{key}` is a secret, and `--answer` is seen by others"
            ))
            .help(format!(
                "set `{variable}`, or put it into a file of your own: `--answers FILE`"
            )));
        }
        let value = self
            .questions
            .answer(&question, &answer.text, told)
            .map_err(|why| usage(format!("`{key}`: {why}")))?;
        self.keep(&question, &answer.text)?;
        self.questions.take(&question, value, told);
        Ok(true)
    }

    /// A secret goes to the lab's secret store at once.
    fn keep(&self, question: &Question, text: &str) -> Result<(), Failure> {
        match &question.variable {
            Some(variable) if !self.dry => {
                keep_secret(&self.lab.paths.made_secrets(), variable, text.trim())
            }
            _ => Ok(()),
        }
    }

    /// Writes when all of an adapter was said, and the choice of adapters whole.
    fn save_between(
        &mut self,
        told: &Told,
        last: Option<&About>,
        next: Option<&Question>,
    ) -> Result<(), Failure> {
        let next = next.map(|question| &question.about);
        let within = match (last, next) {
            (Some(last), Some(next)) => {
                last.adapter().is_some() && last.adapter() == next.adapter()
            }
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if within || self.dry {
            return Ok(());
        }
        let choosing = matches!(
            next,
            Some(About::Organization | About::AppName | About::Group(_))
        );
        let mut told = told.clone();
        if choosing && told.fresh {
            told.adapters.clear();
        }
        let nothing = told.organization.is_none() && told.adapters.is_empty();
        let gone = gone(self.draft.told(), &told);
        if !nothing && self.draft.save(&self.lab.paths, &told)? {
            self.written = true;
            // At once: the questions may end before all is answered.
            if !gone.is_empty() && !self.session.globals.json {
                self.session.tell(Paint::Warn, "Removed", what_goes(&gone));
            }
            self.removed.extend(gone);
        }
        Ok(())
    }

    /// Everything that nobody answered, at once.
    fn still_open(open: &[Question]) -> Failure {
        let keys: Vec<String> = open.iter().map(|question| question.about.key()).collect();
        let is = if keys.len() == 1 { "is" } else { "are" };
        let message = format!("{} {is} not answered, and nobody is asked", ticked(&keys));
        let mut finding = Diagnostic::error(message);
        for question in open {
            let key = question.about.key();
            let said = match (&question.wrong, &question.variable) {
                (Some(wrong), _) => format!("`{key}`: {wrong}"),
                (None, Some(variable)) => format!("`{key}` is a secret: set `{variable}`"),
                (None, None) if !question.choices.is_empty() => {
                    format!("`{key}`: one of {}", ticked(&question.choices))
                }
                (None, None) if question.help.is_empty() => {
                    format!("`{key}`: {}", question.prompt)
                }
                (None, None) => format!("`{key}`: {}", question.help),
            };
            finding = finding.note(said);
        }
        Failure::new(
            Exit::NotApproved,
            finding.help(
                "answer with `--answer KEY=VALUE` or `--answers FILE`, or run it on a terminal",
            ),
        )
    }
}
