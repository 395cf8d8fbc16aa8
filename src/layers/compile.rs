//! Every request has a plan.

use super::Book;
use super::request::{Compiled, Scope};
use super::scenario_plan;
use crate::diag::{Exit, Failure};
use crate::runs::RunRequest;

impl Book {
    /// The plan of a recipe and all that it depends on, of `up`: each layer's
    /// default recipe, from the first to the last, or, in a book of scenarios, of
    /// one of them. Invalid definitions are
    /// [`Exit::Definition`], an unknown recipe, layer
    /// or scenario [`Exit::Unknown`], wrong arguments
    /// [`Exit::Usage`]. Missing variables are for
    /// [`Compiled::ready`].
    pub fn compile(&self, request: &RunRequest, scope: &Scope<'_>) -> Result<Compiled, Failure> {
        match request {
            RunRequest::Recipe(request) => self.recipe(request, scope),
            RunRequest::Up(request) => self.up(request, scope),
            RunRequest::Scenario(request) => scenario_plan::compile(self, request, scope),
            // Its plan is made of nodes, and not of recipes.
            RunRequest::Manifest(request) => Err(Failure::message(
                Exit::Bug,
                format!("`{}` of a manifest is no recipe", request.verb.name()),
            )),
            RunRequest::Platform(_) => Err(Failure::message(
                Exit::Bug,
                "a bootstrap of a platform is no recipe",
            )),
        }
    }
}
