//! Git repositories: which are served, their snapshots, and git's dumb protocol.

/// What is served as repositories, as it was at the last reload.
#[derive(Debug)]
pub(in crate::serve) struct Repositories;
