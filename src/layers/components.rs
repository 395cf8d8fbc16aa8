//! Optional components: recipes that `hl up` runs only with `--with NAME`.

use std::collections::BTreeSet;

use super::Book;
use super::model::Layer;
use crate::base::ticked;
use crate::diag::{Advice, Diagnostic, Exit, Failure, did_you_mean};
use crate::lab::Config;

/// The recipes of the components that are asked for.
///
/// # Errors
/// There is no component of that name (66); or one has no recipe in these
/// layers, so that asking for it would do nothing (2).
pub(super) fn recipes<'a>(
    with: &[String],
    config: &'a Config,
    layers: &[Layer],
) -> Result<BTreeSet<&'a str>, Failure> {
    let mut chosen = BTreeSet::new();
    for name in with {
        let Some(recipes) = config.components.get(name) else {
            return Err(unknown(name, config));
        };
        let mut of_layers = layers.iter().flat_map(|layer| &layer.recipes);
        if !of_layers.any(|recipe| recipes.contains(recipe.name.get_ref())) {
            let ids = layers.iter().map(|layer| layer.id.get_ref().as_str());
            return Err(Failure::message(
                Exit::Usage,
                format!(
                    "component `{name}` has no recipe in what is run: {}",
                    ids.collect::<Vec<_>>().join(", ")
                ),
            )
            .help(format!("it runs {}", ticked(recipes))));
        }
        chosen.extend(recipes.iter().map(String::as_str));
    }
    Ok(chosen)
}

fn unknown(name: &str, config: &Config) -> Failure {
    let failure = Failure::message(Exit::Unknown, format!("there is no component `{name}`"));
    let known = config.components.keys();
    if config.components.is_empty() {
        return failure.help(format!(
            "`hl.toml` has none; `[components]` with `{name} = [\"RECIPE\"]` makes one"
        ));
    }
    let meant = did_you_mean(name, known.clone().map(String::as_str));
    failure
        .helps(meant)
        .help(format!("`[components]` in `hl.toml` has {}", ticked(known)))
}

/// Recipes that components name and that no layer has.
pub(super) fn findings(book: &Book, config: &Config) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (name, recipes) in &config.components {
        for recipe in recipes {
            let known = book.recipes().map(|(_, r)| r.name.get_ref().as_str());
            if known.clone().any(|other| other == recipe) {
                continue;
            }
            let mut finding = Diagnostic::error(format!(
                "component `{name}` names the recipe `{recipe}`, which no layer has"
            ))
            .note("it is in `[components]` of `hl.toml`");
            finding
                .help
                .extend(did_you_mean(recipe, known).map(Advice::from));
            findings.push(finding);
        }
    }
    findings
}
