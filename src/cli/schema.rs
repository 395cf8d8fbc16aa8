//! `hl schema` and `hl man`: for editors and for the manual.

use clap::CommandFactory;
use schemars::{Schema, schema_for};

use super::args::{Cli, SchemaArgs, SchemaName};
use super::resume::Explained;
use super::session::Session;
use crate::diag::{Exit, Failure};
use crate::layers;
use crate::plan::{Event, Plan};
use crate::report::{Document, RunDocument, RunsDocument, StatusDocument};
use crate::site;

pub(super) fn schema(session: &Session, args: &SchemaArgs) -> Result<(), Failure> {
    let schema = match args.name {
        SchemaName::Layer => layers::layer_schema(),
        SchemaName::Hl => layers::hl_schema(),
        SchemaName::Event => schema_for!(Event),
        SchemaName::Plan => schema_for!(Plan),
        SchemaName::Result => schema_for!(Document),
        SchemaName::Runs => schema_for!(RunsDocument),
        SchemaName::Run => schema_for!(RunDocument),
        SchemaName::Resume => schema_for!(Explained),
        SchemaName::Status => schema_for!(StatusDocument),
        SchemaName::Site => site("site"),
        SchemaName::Secrets => site("secrets"),
        SchemaName::Node => site("node"),
        SchemaName::Host => site("host"),
        SchemaName::Env => site("env"),
        SchemaName::Template => site("template"),
        SchemaName::Preset => site("preset"),
        SchemaName::Posture => site("posture"),
        SchemaName::SpecPosture => site("spec-posture"),
        SchemaName::Spec => site("spec"),
        SchemaName::Manifest => site("manifest"),
    };
    session.json(&schema)
}

/// The schema of a file of a site-config.
fn site(name: &str) -> Schema {
    let schema = site::schema(name).unwrap_or_default();
    Schema::try_from(schema).unwrap_or_default()
}

pub(super) fn man(session: &Session) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command())
        .render(&mut page)
        .map_err(|error| {
            Failure::message(
                Exit::CannotWrite,
                format!("cannot write the manual page: {error}"),
            )
        })?;
    session.data(&String::from_utf8_lossy(&page))
}
