//! The image that a template would be built of now.

use super::{IsoManifest, Pin, Template, TemplateStore};
use crate::diag::StepError;
use crate::lab::Paths;

/// The image that a build would be made of, as far as it is known: the pin
/// while the definition still means it; for an installer, the stable ISO's.
pub fn pin_in_use(
    paths: &Paths,
    template: &Template,
    pin: Option<&Pin>,
) -> Result<Option<Pin>, StepError> {
    match (&template.spec.image, &template.spec.iso) {
        (Some(image), _) => Ok(match pin {
            Some(pin) if pin.fits(&image.url) => Some(pin.clone()),
            _ if paths.is_rehearsal() => Some(Pin::simulated(&image.url)),
            _ => None,
        }),
        (None, Some(iso)) => Ok(stable_iso(paths, &iso.name)?.map(|iso| iso.image)),
        (None, None) => Ok(None),
    }
}

/// The promoted ISO of that name.
pub fn stable_iso(paths: &Paths, name: &str) -> Result<Option<IsoManifest>, StepError> {
    let store = TemplateStore::new(paths.template(name));
    let Some(stamp) = store.stable::<IsoManifest>()? else {
        return Ok(None);
    };
    let records = store.records::<IsoManifest>()?;
    Ok(records.into_iter().find(|iso| iso.stamp == stamp))
}
