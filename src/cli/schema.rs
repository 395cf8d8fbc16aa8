//! `hl schema` and `hl man`: for editors and for the manual.

use clap::CommandFactory;
use schemars::schema_for;

use super::args::{Cli, SchemaArgs, SchemaName};
use super::session::Session;
use crate::diag::{Exit, Failure};
use crate::layers;
use crate::plan::{Event, Plan};
use crate::report::{Document, RunDocument, RunsDocument, StatusDocument};

pub(super) fn schema(session: &Session, args: &SchemaArgs) -> Result<(), Failure> {
    let schema = match args.name {
        SchemaName::Layer => layers::layer_schema(),
        SchemaName::Hl => layers::hl_schema(),
        SchemaName::Event => schema_for!(Event),
        SchemaName::Plan => schema_for!(Plan),
        SchemaName::Result => schema_for!(Document),
        SchemaName::Runs => schema_for!(RunsDocument),
        SchemaName::Run => schema_for!(RunDocument),
        SchemaName::Status => schema_for!(StatusDocument),
    };
    session.json(&schema)
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
