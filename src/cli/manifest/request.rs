//! `hl create`, `hl destroy`, `hl test`: from words to a request.

use super::args::{OnErrorWord, RunArgs};
use super::chosen::{name, wanted};
use crate::cli::session::{Session, usage};
use crate::cli::site::find;
use crate::diag::Failure;
use crate::runs::{ManifestRequest, ManifestSource, ManifestVerb, RunRequest};
use crate::site::Tree;

/// What is asked for. A manifest that is not in the site-config is read here, once.
///
/// # Errors
/// None is named (2), a flag means nothing with this verb (2), or the manifest cannot be
/// read (65, 66).
pub(in crate::cli) fn request(
    session: &Session,
    verb: ManifestVerb,
    args: &RunArgs,
) -> Result<RunRequest, Failure> {
    refuse_without_effect(verb, args)?;
    let reads_input = args
        .chosen
        .manifest_file
        .as_ref()
        .is_some_and(|file| file == "-");
    if reads_input && session.globals.detach {
        return Err(usage("a detached run has no standard input")
            .help("give the manifest as a file, or with `--manifest-json`"));
    }
    let source = if let Some(name) = name(&args.chosen) {
        ManifestSource::Name(name.to_owned())
    } else {
        let (_, found) = find(session, None)?;
        let tree = Tree::new(found.root.clone(), found.root);
        let source = wanted(session, &tree, &args.chosen)?;
        ManifestSource::Text {
            shown: source.path.into_string(),
            text: source.text.to_string(),
        }
    };
    Ok(RunRequest::Manifest(ManifestRequest {
        verb,
        host: args.host.clone(),
        source,
        on_error: args.on_error.map(Into::into),
        skip_preflight: args.skip_preflight,
    }))
}

/// Refuses an `--on-error` that the verb would not follow.
fn refuse_without_effect(verb: ManifestVerb, args: &RunArgs) -> Result<(), Failure> {
    match (verb, args.on_error) {
        (ManifestVerb::Destroy, Some(_)) => Err(usage("`destroy` takes no `--on-error`")
            .help("it goes on after a failure, and names at the end what is left")),
        (ManifestVerb::Test, Some(OnErrorWord::Rollback)) => Err(usage(
            "`test` takes no `--on-error rollback`",
        )
        .help(
            "it destroys what it made in any case: `stop` or `continue` say what happens before",
        )),
        _ => Ok(()),
    }
}
