//! A lab with its layers and its environment, each read once.

use std::rc::Rc;

use super::job::Origin;
use super::{manifests, tools};
use crate::action::{Registry, builtin};
use crate::diag::{Diagnostic, Failure};
use crate::lab::{Environment, Lab};
use crate::layers::{self, Book, Compiled, Scope};
use crate::plan::Plan;
use crate::runs::RunRequest;

/// What a request needs to become a plan.
#[derive(Debug)]
pub struct LoadedLab {
    /// The lab.
    pub lab: Lab,
    /// The variables of its tools.
    pub env: Environment,
    /// The actions there are.
    pub registry: Registry,
    /// Its layers.
    pub book: Rc<Book>,
}

impl LoadedLab {
    /// The lab with the actions that `hl` has.
    pub fn new(lab: Lab, book: Rc<Book>, env: Environment) -> Self {
        Self {
            lab,
            env,
            registry: builtin(),
            book,
        }
    }

    /// The request's plan, with what is known besides. Variables and tools may be
    /// missing.
    ///
    /// # Errors
    /// As of [`Book::compile`]; the platform is not as it was rendered (65).
    pub fn compile(&self, request: &RunRequest) -> Result<Compiled, Failure> {
        Ok(self.with_warnings(request)?.0)
    }

    /// The same, with what is odd about the files of a manifest.
    fn with_warnings(&self, request: &RunRequest) -> Result<(Compiled, Vec<Diagnostic>), Failure> {
        let scope = Scope {
            lab: &self.lab,
            env: &self.env,
            registry: &self.registry,
        };
        match request {
            RunRequest::Manifest(request) => manifests::compile(&self.book, &scope, request),
            RunRequest::Recipe(_) | RunRequest::Up(_) | RunRequest::Scenario(_) => {
                let compiled = self.book_of(request)?.compile(request, &scope)?;
                Ok((compiled, Vec::new()))
            }
            RunRequest::Platform(request) => {
                let compiled = super::platform::compile(&self.lab.paths, &self.env, request)?;
                Ok((compiled, Vec::new()))
            }
        }
    }

    /// The layers, or the scenarios where one of them is asked for.
    fn book_of(&self, request: &RunRequest) -> Result<Rc<Book>, Failure> {
        match request {
            RunRequest::Recipe(_)
            | RunRequest::Up(_)
            | RunRequest::Manifest(_)
            | RunRequest::Platform(_) => Ok(Rc::clone(&self.book)),
            RunRequest::Scenario(_) => layers::scenarios(&self.lab.paths).map(Rc::new),
        }
    }

    /// The request's plan, once its variables and its tools are there.
    ///
    /// # Errors
    /// As of [`Book::compile`]; a variable or a tool is missing (69).
    pub fn plan(&self, request: &RunRequest) -> Result<Plan, Failure> {
        Ok(self.planned(request)?.0)
    }

    /// The same, with what is odd about the files of a manifest.
    ///
    /// # Errors
    /// As of [`LoadedLab::plan`].
    pub fn planned(&self, request: &RunRequest) -> Result<(Plan, Vec<Diagnostic>), Failure> {
        let (compiled, warnings) = self.with_warnings(request)?;
        if compiled.missing.is_empty() {
            tools::require(&self.lab, &self.env, &compiled)?;
        }
        Ok((compiled.ready()?, warnings))
    }

    /// Where a run of the request comes from.
    pub fn origin(&self, request: RunRequest) -> Origin {
        let options = match &request {
            RunRequest::Scenario(_) => layers::scenarios(&self.lab.paths)
                .map(|book| book.options(&request))
                .unwrap_or_default(),
            RunRequest::Recipe(_)
            | RunRequest::Up(_)
            | RunRequest::Manifest(_)
            | RunRequest::Platform(_) => self.book.options(&request),
        };
        Origin {
            options,
            request: Some(request),
            ..Origin::default()
        }
    }
}
