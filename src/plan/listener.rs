//! Who is told what happens.

use super::Event;
use crate::diag::Failure;

/// Takes every event of a run, in order, as it happens. The journal, the
/// terminal and the JSON stream are listeners.
pub trait Listener: Send {
    /// Takes one event. An error (the journal cannot be written) stops the
    /// run as Ctrl-C would, and its exit code becomes the run's.
    fn event(&mut self, event: &Event) -> Result<(), Failure>;
}
