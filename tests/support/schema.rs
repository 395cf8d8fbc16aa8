//! Whether a document is what its published schema says.

use std::path::Path;

use boon::{Compiler, Schemas};
use serde_json::Value;

use super::Hl;

/// Checks a document against `hl schema NAME`.
#[track_caller]
pub(crate) fn conforms(document: &Value, name: &str) {
    let schema = Hl::new(Path::new("/"))
        .cmd("schema")
        .arg(name)
        .exits(0)
        .json();
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(document, index) {
        panic!("it is not as `hl schema {name}` says: {error:#}\n{document:#}");
    }
}
