//! What the user says by signal while something runs.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::flag::{register_conditional_default, register_usize};
use signal_hook::iterator::Signals;

/// A wish to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `SIGINT`: Ctrl-C.
    Interrupt,
    /// `SIGTERM`: a supervisor, `kill`.
    Terminate,
    /// `SIGHUP`: the terminal is gone.
    Hangup,
    /// `SIGQUIT`: Ctrl-\.
    Quit,
    /// `SIGALRM`: a time limit that was set before `hl` began.
    Alarm,
    /// `SIGUSR1`: batch systems announce with it that time is over.
    User1,
    /// `SIGUSR2`, likewise.
    User2,
    /// No signal: `hl stop`, or a stop that a page or another host asked for.
    Request,
}

/// All that end a process by themselves, and leave it time to end well.
const ALL: [(i32, Signal); 7] = [
    (SIGINT, Signal::Interrupt),
    (SIGTERM, Signal::Terminate),
    (SIGHUP, Signal::Hangup),
    (SIGQUIT, Signal::Quit),
    (SIGALRM, Signal::Alarm),
    (SIGUSR1, Signal::User1),
    (SIGUSR2, Signal::User2),
];

impl Signal {
    /// The signal of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        let mut all = ALL.into_iter().map(|(_, signal)| signal);
        all.find(|signal| signal.name() == name)
    }

    /// `SIGINT`, `SIGTERM`, ...
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::Quit => "SIGQUIT",
            Self::Alarm => "SIGALRM",
            Self::User1 => "SIGUSR1",
            Self::User2 => "SIGUSR2",
            Self::Request => "stop",
        }
    }
}

/// Where wishes to stop come from: the signals of this process ([`Watch`]), or a
/// controller that ends one of several runs.
pub trait StopSource {
    /// The next wish that has arrived, if any. Does not wait.
    fn arrived(&mut self) -> Option<Signal>;
}

/// While this lives, these signals do not end the process but are given out by
/// [`StopSource::arrived`]. Afterwards they do what they always do.
///
/// A signal that was ignored when the process started stays ignored (`nohup`,
/// `hl ... &` in a script). `SIGINT` is caught even then, so that children
/// start with its usual meaning and can be interrupted by us.
#[derive(Debug)]
pub struct Watch {
    signals: Signals,
}

impl Watch {
    /// Begins to watch.
    pub fn start() -> io::Result<Self> {
        let world = World::get()?;
        let caught = ALL
            .into_iter()
            .map(|(number, _)| number)
            .filter(|signal| *signal == SIGINT || !world.ignores(*signal));
        let signals = Signals::new(caught)?;
        world.watchers(1);
        Ok(Self { signals })
    }
}

impl StopSource for Watch {
    fn arrived(&mut self) -> Option<Signal> {
        let ignored = World::get().is_ok_and(|world| world.ignores(SIGINT));
        self.signals.pending().find_map(|number| {
            let (_, signal) = ALL.into_iter().find(|(known, _)| *known == number)?;
            (signal != Signal::Interrupt || !ignored).then_some(signal)
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Ok(world) = World::get() {
            world.watchers(-1);
        }
    }
}

/// From now on none of these signals ends this process; what it starts gets them
/// with their usual meaning, also where they were ignored. Gives the number of
/// the last one that came, 0 for none.
///
/// # Errors
/// The kernel refuses, which it has no reason to.
pub fn catch_signals() -> io::Result<Arc<AtomicUsize>> {
    let heard = Arc::new(AtomicUsize::new(0));
    for (signal, _) in ALL {
        let number = usize::try_from(signal).unwrap_or_default();
        register_usize(signal, Arc::clone(&heard), number)?;
    }
    Ok(heard)
}

/// What holds for the whole process.
struct World {
    /// Bit mask of the signals that were ignored at the start.
    ignored: u64,
    /// Nobody watches: signals end the process as usual. A handler, once
    /// installed, cannot be taken back to the default by safe means.
    idle: Arc<AtomicBool>,
    watching: Mutex<isize>,
}

impl World {
    fn get() -> io::Result<&'static Self> {
        static WORLD: OnceLock<Result<World, io::ErrorKind>> = OnceLock::new();
        let world = WORLD.get_or_init(|| Self::new().map_err(|error| error.kind()));
        world.as_ref().map_err(|kind| io::Error::from(*kind))
    }

    fn new() -> io::Result<Self> {
        let world = Self {
            ignored: ignored_now(),
            idle: Arc::new(AtomicBool::new(true)),
            watching: Mutex::new(0),
        };
        for (signal, _) in ALL {
            if !world.ignores(signal) {
                register_conditional_default(signal, Arc::clone(&world.idle))?;
            }
        }
        Ok(world)
    }

    fn ignores(&self, signal: i32) -> bool {
        self.ignored >> (signal - 1) & 1 == 1
    }

    fn watchers(&self, change: isize) {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        *watching += change;
        self.idle.store(*watching == 0, Ordering::SeqCst);
    }
}

/// `SigIgn` of `/proc/self/status`.
fn ignored_now() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(0)
}
