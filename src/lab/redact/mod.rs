//! The one redactor in front of every sink.
//!
//! | file | what |
//! |---|---|
//! | `forms` | the texts in which a secret turns up |
//! | `quoting` | those of them that shells, Python and HTML make |
//! | `within` | secrets that stand inside of other values: URLs, tokens |
//! | `through` | finds them where invisible characters stand between theirs |
//! | `stream` | masks bytes that come in pieces |

mod forms;
mod quoting;
mod redactor;
mod stream;
mod through;
mod within;

pub use redactor::Redactor;
pub use stream::RedactStream;
pub use within::{mask_within, within};
