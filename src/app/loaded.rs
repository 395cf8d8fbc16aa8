//! A lab with its layers and its environment, each read once.

use std::rc::Rc;

use super::job::Origin;
use super::tools;
use crate::action::{Registry, builtin};
use crate::diag::Failure;
use crate::lab::{Environment, Lab};
use crate::layers::{Book, Compiled, Scope};
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
    /// As of [`Book::compile`].
    pub fn compile(&self, request: &RunRequest) -> Result<Compiled, Failure> {
        let scope = Scope {
            lab: &self.lab,
            env: &self.env,
            registry: &self.registry,
        };
        self.book.compile(request, &scope)
    }

    /// The request's plan, once its variables and its tools are there.
    ///
    /// # Errors
    /// As of [`Book::compile`]; a variable or a tool is missing (69).
    pub fn plan(&self, request: &RunRequest) -> Result<Plan, Failure> {
        let compiled = self.compile(request)?;
        if compiled.missing.is_empty() {
            tools::require(&self.lab, &self.env, &compiled)?;
        }
        compiled.ready()
    }

    /// Where a run of the request comes from.
    pub fn origin(&self, request: RunRequest) -> Origin {
        Origin {
            options: self.book.options(&request),
            request: Some(request),
            ..Origin::default()
        }
    }
}
