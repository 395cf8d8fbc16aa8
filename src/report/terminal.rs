//! A run as a person watches it: one line a step on stderr, progress below it
//! on a terminal, a sign of life each minute elsewhere.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::screen::Screen;
use super::{GoOn, Palette};
use crate::plan::{Event, Plan, StepId};

/// What is shown of the tools' own output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing: progress on a terminal, steps only elsewhere.
    Steps,
    /// Lines as they come.
    Live,
    /// Lines as they come, behind the step's name.
    Prefix,
    /// A step's lines together when it ends.
    Group,
    /// Nothing but failures.
    Quiet,
}

/// How a run is shown.
#[derive(Debug, Clone)]
pub struct Look {
    /// Of the tools' output.
    pub mode: Mode,
    /// Colours.
    pub palette: Palette,
    /// Progress is drawn on stderr, which is a terminal.
    pub bars: bool,
    /// Columns of the terminal; none: lines are as long as they are.
    pub width: fn() -> Option<usize>,
    /// GitHub Actions reads along: steps are groups, findings annotations.
    pub github: bool,
    /// The command that runs this again.
    pub again: Option<String>,
    /// The command that goes on where this stopped.
    pub resume: Option<String>,
    /// How long steps usually take, where that is known.
    pub usual: Usual,
}

/// Found out when a step is the first to take long: past runs are read for it.
pub type Usual = Arc<
    LazyLock<BTreeMap<StepId, Duration>, Box<dyn FnOnce() -> BTreeMap<StepId, Duration> + Send>>,
>;

/// What is found out by that function.
pub fn usual(find: impl FnOnce() -> BTreeMap<StepId, Duration> + Send + 'static) -> Usual {
    Arc::new(LazyLock::new(Box::new(find)))
}

impl Look {
    /// How to go on after a failure.
    pub(super) fn go_on(&self) -> Option<GoOn> {
        let resume = self.resume.clone().map(GoOn::Resume);
        resume.or_else(|| self.again.clone().map(GoOn::Again))
    }
}

/// The listener for people.
#[expect(missing_debug_implementations, reason = "holds a writer")]
pub struct Terminal {
    screen: Arc<Mutex<Screen>>,
    over: Arc<AtomicBool>,
    ticker: Option<JoinHandle<()>>,
}

impl Terminal {
    /// A listener that writes lines to `out`.
    pub fn new(plan: Plan, look: Look, out: Box<dyn Write + Send>) -> Self {
        let screen = Arc::new(Mutex::new(Screen::new(plan, look, out)));
        let over = Arc::new(AtomicBool::new(false));
        let ticker = spawn({
            let (screen, over) = (Arc::clone(&screen), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Relaxed) {
                    sleep(Duration::from_millis(250));
                    let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
                    screen.tick(Instant::now());
                }
            }
        });
        Self {
            screen,
            over,
            ticker: Some(ticker),
        }
    }

    /// Takes an event.
    pub fn event(&mut self, event: &Event) {
        self.screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .event(event);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(ticker) = self.ticker.take() {
            // A ticker that panicked has nothing left to say.
            drop(ticker.join());
        }
    }
}
