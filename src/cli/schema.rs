//! `hl schema` and `hl man`: for editors and for the manual.

use clap::CommandFactory;
use schemars::{Schema, schema_for};

use super::args::Cli;
use super::resume::Explained;
use super::session::Session;
use crate::app::serving::Started;
use crate::diag::{Exit, Failure};
use crate::layers;
use crate::plan::{Event, Plan};
use crate::rehearse::{faults_schema, seed_schema};
use crate::report::{Document, RunDocument, RunsDocument, StatusDocument};
use crate::site;

pub(super) fn schema(session: &Session, name: &str) -> Result<(), Failure> {
    session.json(&match name {
        "layer" => layers::layer_schema(),
        "scenario" => layers::scenario_schema(),
        "hl" => layers::hl_schema(),
        "event" => schema_for!(Event),
        "plan" => schema_for!(Plan),
        "result" => schema_for!(Document),
        "runs" => schema_for!(RunsDocument),
        "run" => schema_for!(RunDocument),
        "resume" => schema_for!(Explained),
        "status" => schema_for!(StatusDocument),
        "serve" => schema_for!(Started),
        "seed" => Schema::try_from(seed_schema()).unwrap_or_default(),
        "faults" => Schema::try_from(faults_schema()).unwrap_or_default(),
        file => Schema::try_from(site::schema(file).unwrap_or_default()).unwrap_or_default(),
    })
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
