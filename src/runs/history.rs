//! Lists runs, and finds one by a piece of its id.

use super::id::{file_of, tail};
use super::{Run, index, read};
use crate::base::ticked;
use crate::diag::{Exit, Failure, hl};
use crate::lab::Paths;

/// The ids of all runs, oldest first.
pub fn ids(paths: &Paths) -> Vec<String> {
    let mut ids = index::names(&paths.runs());
    ids.sort_unstable();
    ids
}

/// The run that `piece` names: an id, its last part, any part of one that no
/// other run has, or `latest`. Errors: none or several have it (66), or it
/// cannot be read.
pub fn find(paths: &Paths, piece: &str) -> Result<Run, Failure> {
    let ids = ids(paths);
    read(&file_of(paths, choose(&ids, piece)?))
}

/// The name of a run that is quickly typed: the last part of its id, unless
/// another run has that too.
pub fn short_id<'a>(paths: &Paths, id: &'a str) -> &'a str {
    let last = tail(id);
    let others = index::names(&paths.runs());
    let taken = |other: &String| other != id && tail(other) == last;
    if others.iter().any(taken) { id } else { last }
}

fn choose<'a>(ids: &'a [String], piece: &str) -> Result<&'a str, Failure> {
    let Some(latest) = ids.last() else {
        return Err(Failure::message(Exit::Unknown, "there is no run yet"));
    };
    if piece == "latest" {
        return Ok(latest);
    }
    if let Some(id) = ids.iter().find(|id| *id == piece) {
        return Ok(id);
    }
    // Four digits of a last part may also be in another one's date.
    let mut found: Vec<&str> = having(ids, |id| tail(id) == piece);
    if found.is_empty() {
        found = having(ids, |id| id.contains(piece));
    }
    match found.as_slice() {
        [id] if !piece.is_empty() => Ok(id),
        [] => Err(
            Failure::message(Exit::Unknown, format!("there is no run `{piece}`"))
                .help(hl("runs").say(" lists them")),
        ),
        several => {
            let newest = ticked(several.iter().rev().take(5));
            Err(Failure::message(
                Exit::Unknown,
                format!("`{piece}` is in the ids of {} runs", several.len()),
            )
            .help(format!("say more of it; the newest are {newest}")))
        }
    }
}

fn having(ids: &[String], test: impl Fn(&str) -> bool) -> Vec<&str> {
    ids.iter()
        .map(String::as_str)
        .filter(|id| test(id))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_piece_names_a_run() {
        let ids = ["20260101-000000-3f9c", "20260102-000000-3f9d"].map(str::to_owned);
        let chosen = |piece: &str| choose(&ids, piece).map_err(|f| f.to_string());
        assert_eq!(chosen("3f9c"), Ok("20260101-000000-3f9c"));
        assert_eq!(chosen("20260102"), Ok("20260102-000000-3f9d"));
        assert_eq!(chosen("latest"), Ok("20260102-000000-3f9d"));
        assert_eq!(
            chosen("3f9"),
            Err("`3f9` is in the ids of 2 runs".to_owned())
        );
        assert_eq!(chosen("zz"), Err("there is no run `zz`".to_owned()));
        let dated = ["20260101-000000-2026", "20260102-000000-3f9d"].map(str::to_owned);
        assert_eq!(choose(&dated, "2026").unwrap(), "20260101-000000-2026");
        assert!(chosen("").is_err());
        assert_eq!(choose(&[], "latest").unwrap_err().exit, Exit::Unknown);
    }
}
