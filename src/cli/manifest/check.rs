//! `hl manifest check`: all that is wrong, at once.

use super::args::Chosen;
use super::chosen::{given, name};
use crate::base::count;
use crate::cli::session::Session;
use crate::cli::site::{OpenSite, conclude};
use crate::diag::{Diagnostic, Exit, Failure, Source};
use crate::manifest::{self, Around};
use crate::site::{Kind, Report};

/// Names every manifest of the site-config.
const ALL: &str = "all";

pub(super) fn check(
    session: &Session,
    site: &OpenSite,
    around: &Around<'_>,
    chosen: &Chosen,
) -> Result<Exit, Failure> {
    let mut report = Report {
        schema: "hl.manifest-check/1",
        files: 0,
        findings: Vec::new(),
    };
    let one = match name(chosen) {
        Some(ALL) => None,
        _ => given(session, around.tree, chosen)?,
    };
    let (sources, place) = match one {
        Some(source) => {
            let place = source.path.to_string();
            (vec![Ok(source)], place)
        }
        None => (all(around)?, site.shown().to_owned()),
    };
    let mut found = Vec::new();
    for source in sources {
        report.files += 1;
        match source {
            Ok(source) => found.extend(manifest::check(around, source)),
            Err(findings) => found.extend(findings),
        }
    }
    report.add(found);
    let what = format!("{} in `{place}`", count(report.files, "manifest"));
    conclude(session, report, &what)
}

/// Every manifest of the site-config, or why it cannot be read.
fn all(around: &Around<'_>) -> Result<Vec<Result<Source, Vec<Diagnostic>>>, Failure> {
    let names = around.tree.names(Kind::Manifest)?.into_iter();
    let source = |name: String| around.tree.source(Kind::Manifest, &name);
    let sources = names.map(|name| source(name).map_err(|failure| failure.diagnostics));
    Ok(sources.collect())
}
