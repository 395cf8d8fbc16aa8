//! The trace of a run: its steps, children and API requests, and how long each
//! took, as `tracing` spans. It goes into `trace.log` beside the run's logs, and to
//! an output that `-vv` or `HL_LOG` asks for; all of it through the redactor.
//!
//! Nothing is installed for the whole process: a run has a subscriber of its own,
//! and threads take it along by [`carried`].

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use camino::Utf8Path;
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Span, dispatcher};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use super::Redactor;
use crate::base::private_append;

/// The crate whose spans are shown when no target is named.
const OWN: &str = "hl";

type Shared = Arc<Mutex<dyn Write + Send>>;

/// An output for the trace besides `trace.log`, and what of it is shown there.
#[derive(Clone)]
pub struct TraceOutput {
    targets: Targets,
    out: Shared,
}

impl TraceOutput {
    /// What `HL_LOG` says: a level, or `TARGET=LEVEL`, several with commas. Where
    /// it is empty or not set, `-vv` shows `debug` and `-vvv` all.
    ///
    /// # Errors
    /// It is neither; the message names it.
    pub fn new(
        variable: Option<&str>,
        verbose: u8,
        out: impl Write + Send + 'static,
    ) -> Result<Option<Self>, String> {
        let targets = match (variable.unwrap_or_default(), verbose) {
            ("", 0 | 1) => return Ok(None),
            ("", 2) => own(LevelFilter::DEBUG),
            ("", _) => own(LevelFilter::TRACE),
            (text, _) if is_off(text) => return Ok(None),
            (text, _) => parse(text)?,
        };
        let out = Arc::new(Mutex::new(out));
        Ok(Some(Self { targets, out }))
    }

    /// Has what was written come to its end, as far as the output waits for that.
    pub fn flush(&self) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to be told.
        out.flush().unwrap_or_default();
    }
}

impl fmt::Debug for TraceOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceOutput").field(&self.targets).finish()
    }
}

fn own(level: LevelFilter) -> Targets {
    Targets::new().with_target(OWN, level)
}

/// Nothing is to be shown: there is no output, so that progress may be drawn.
fn is_off(text: &str) -> bool {
    let level = |part: &str| part.rsplit('=').next().map(|level| level.trim().to_owned());
    text.split(',')
        .all(|part| level(part).as_deref() == Some("off"))
}

fn parse(text: &str) -> Result<Targets, String> {
    let mut targets = Targets::new();
    for part in text.split(',').map(str::trim) {
        let (target, level) = part.split_once('=').unwrap_or((OWN, part));
        let level = Some(level).filter(|level| !level.is_empty() && !target.is_empty());
        let level = level.and_then(|level| level.parse::<LevelFilter>().ok()).ok_or_else(|| {
            format!("`HL_LOG` has `{part}`, expected `off`, `error`, `warn`, `info`, `debug`, `trace`, or TARGET=LEVEL such as `hl::pve=debug`")
        })?;
        targets = targets.with_target(target, level);
    }
    Ok(targets)
}

/// The subscriber of a run that writes to `file` and to `other`; none where
/// there is neither.
///
/// # Errors
/// The file cannot be opened.
pub fn subscriber(
    file: Option<&Utf8Path>,
    other: Option<&TraceOutput>,
    redactor: &Redactor,
) -> io::Result<Dispatch> {
    let mut layers = Vec::new();
    if let Some(file) = file {
        let file = Arc::new(Mutex::new(private_append(file)?));
        layers.push(layer(file, own(LevelFilter::INFO), redactor));
    }
    if let Some(TraceOutput { targets, out }) = other {
        layers.push(layer(Arc::clone(out), targets.clone(), redactor));
    }
    Ok(if layers.is_empty() {
        Dispatch::none()
    } else {
        Dispatch::new(tracing_subscriber::registry().with(layers))
    })
}

fn layer(
    out: Shared,
    targets: Targets,
    redactor: &Redactor,
) -> Box<dyn Layer<Registry> + Send + Sync> {
    let masked = Masked {
        redactor: redactor.clone(),
        out,
    };
    tracing_subscriber::fmt::layer()
        .with_span_events(FmtSpan::CLOSE)
        .log_internal_errors(false)
        .with_writer(move || masked.clone())
        .with_filter(targets)
        .boxed()
}

/// Takes whole lines, and hides what is secret in them.
#[derive(Clone)]
struct Masked {
    redactor: Redactor,
    out: Shared,
}

impl Write for Masked {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = self.redactor.shown(&String::from_utf8_lossy(line));
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .flush()
    }
}

/// The work, for another thread, with the subscriber and the span of this one. The
/// span ends with the work: what is told of its end goes behind it, not into it.
pub fn carried<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let (subscriber, span) = (dispatcher::get_default(Dispatch::clone), Span::current());
    move || dispatcher::with_default(&subscriber, || span.in_scope(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was written, for the test to read.
    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn spans_of_all_threads_of_a_run_are_written_masked_and_those_of_others_are_not() {
        let run = |name: &str| {
            let memory = Memory::default();
            let output = TraceOutput::new(Some("debug"), 0, memory.clone()).unwrap();
            let redactor = Redactor::new(["canary-77"]);
            let subscriber = subscriber(None, output.as_ref(), &redactor).unwrap();
            dispatcher::with_default(&subscriber, || {
                let _span = tracing::info_span!("run", name).entered();
                let child = carried(|| {
                    let _span = tracing::info_span!("child", secret = "canary-77").entered();
                    tracing::debug!("a\u{1b}[31mb");
                    tracing::trace!("too much");
                });
                std::thread::spawn(child).join().unwrap();
            });
            String::from_utf8(memory.0.lock().unwrap().clone()).unwrap()
        };
        let (one, two) = (run("one"), run("two"));
        let lines: Vec<&str> = one.lines().collect();
        assert_eq!(lines.len(), 3, "{one}");
        let place = r#"run{name="one"}:child{secret="(secret)"}: hl::lab::trace::tests: "#;
        assert!(lines[0].contains(place), "{one}");
        assert!(lines[1].contains(&format!("{place}close")), "{one}");
        assert!(
            !one.contains(['\u{1b}']) && !one.contains("too much"),
            "{one}"
        );
        assert!(!one.contains("two") && !two.contains("one"), "{two}");
    }

    #[test]
    fn what_is_shown_is_a_level_or_levels_of_targets() {
        let new = |text, verbose| TraceOutput::new(text, verbose, io::sink());
        let shows = |output: &TraceOutput, target, level: tracing::Level| {
            output.targets.would_enable(target, &level)
        };
        assert!(new(None, 1).unwrap().is_none() && new(Some(""), 0).unwrap().is_none());
        let twice = new(None, 2).unwrap().unwrap();
        assert!(shows(&twice, "hl::pve::client", tracing::Level::DEBUG));
        assert!(!shows(&twice, "hyper", tracing::Level::ERROR));
        let named = new(Some("warn, hl::pve=debug"), 2).unwrap().unwrap();
        assert!(shows(&named, "hl::pve::client", tracing::Level::DEBUG));
        assert!(!shows(&named, "hl::engine", tracing::Level::INFO));
        for wrong in ["loud", "hl::pve", "hl=loud", "info,", "=info"] {
            let said = new(Some(wrong), 0).unwrap_err();
            assert!(said.starts_with("`HL_LOG` has `"), "{said}");
        }
    }
}
