//! What a check found.

use camino::Utf8PathBuf;
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::diag::{Advice, Commands, Diagnostic, Severity};
use crate::site::tree::sorted;

/// What a check found.
#[derive(Debug, Clone)]
pub struct Report {
    /// What its document is called: `hl.site-check/1`.
    pub schema: &'static str,
    /// How many files were read.
    pub files: usize,
    /// Errors and warnings, by file and place.
    pub findings: Vec<Diagnostic>,
}

/// A finding as data.
#[derive(serde::Serialize)]
struct Row<'a> {
    severity: Severity,
    message: &'a str,
    file: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    help: Vec<String>,
    notes: &'a [String],
}

impl Report {
    /// How many findings of a kind there are.
    pub fn count(&self, severity: Severity) -> usize {
        let same = self.findings.iter().filter(|d| d.severity == severity);
        same.count()
    }

    /// Adds what somebody else found, at its place; what is told already is not
    /// told again.
    pub fn add(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        self.findings.extend(findings);
        self.findings = sorted(std::mem::take(&mut self.findings));
        self.findings.dedup_by(|a, b| told(a) == told(b));
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<Row<'_>> = self.findings.iter().map(row).collect();
        let mut out = serializer.serialize_struct("Report", 5)?;
        out.serialize_field("schema", self.schema)?;
        out.serialize_field("files", &self.files)?;
        out.serialize_field("errors", &self.count(Severity::Error))?;
        out.serialize_field("warnings", &self.count(Severity::Warning))?;
        out.serialize_field("findings", &rows)?;
        out.end()
    }
}

/// What makes two findings the same: the message, the file, the byte.
pub(super) type Told = (String, Option<(Utf8PathBuf, usize)>);

/// See [`Told`].
pub(super) fn told(finding: &Diagnostic) -> Told {
    let place = finding.place.as_ref();
    let place = place.map(|place| (place.path().to_owned(), place.span.start));
    (finding.message.clone(), place)
}

/// There is one site-config, and no other for a rehearsal.
fn live(help: &Advice) -> String {
    help.text(Commands::Live)
}

fn row(finding: &Diagnostic) -> Row<'_> {
    let place = finding.place.as_ref();
    let at = place.map(crate::diag::Place::line_column);
    Row {
        severity: finding.severity,
        message: &finding.message,
        file: place.map(|place| place.path().as_str()),
        line: at.map(|(line, _)| line),
        column: at.map(|(_, column)| column),
        help: finding.help.iter().map(live).collect(),
        notes: &finding.notes,
    }
}
