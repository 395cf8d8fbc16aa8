//! `state/logs/ID/console.log`: what a person was told of the run, in plain
//! text, also when nobody watched. What the tools said is in the steps' logs.

use crate::base::{private_append, remedy};
use crate::diag::{Exit, Failure};
use crate::lab::{Paths, create_dir};
use crate::plan::{Event, Listener, Plan};

use super::screen::Screen;
use super::{Look, Mode, Palette};

/// The listener. A run that is resumed goes on in its file.
#[expect(missing_debug_implementations, reason = "holds a writer")]
pub struct Console {
    paths: Paths,
    plan: Plan,
    look: Look,
    screen: Option<Screen>,
}

impl Console {
    /// Writes down a run of `plan`; of `look` the commands to go on with.
    pub fn new(paths: &Paths, plan: &Plan, look: &Look) -> Self {
        Self {
            paths: paths.clone(),
            plan: plan.clone(),
            look: look.clone(),
            screen: None,
        }
    }

    fn open(&self, run: &str) -> Result<Screen, Failure> {
        let dir = self.paths.logs(run);
        create_dir(&dir)?;
        let path = dir.join("console.log");
        let file = private_append(&path).map_err(|error| {
            let shown = self.paths.show(&path);
            Failure::message(
                Exit::CannotWrite,
                format!("cannot write `{shown}`: {error}"),
            )
            .helps(remedy(&error))
        })?;
        let look = Look {
            mode: Mode::Steps,
            palette: Palette { color: false },
            bars: false,
            width: || None,
            ..self.look.clone()
        };
        Ok(Screen::new(self.plan.clone(), look, Box::new(file)))
    }
}

impl Listener for Console {
    fn event(&mut self, event: &Event) -> Result<(), Failure> {
        if let Some(info) = event.kind.begins() {
            self.screen = Some(self.open(&info.id)?);
        }
        if let Some(screen) = &mut self.screen {
            screen.event(event);
        }
        Ok(())
    }
}
