//! The one redactor in front of every sink.

mod forms;
mod redactor;
mod stream;

pub use redactor::Redactor;
pub use stream::RedactStream;
