//! What a lab keeps of its runs beside the journal, and the switch that makes
//! them dry.

mod access;
mod kept;
mod settings;
