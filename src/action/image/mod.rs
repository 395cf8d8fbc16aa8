//! Images of virtual machines as files: built by packer with QEMU, here or on another
//! machine, fetched, published to a node, downloaded from a release.
//!
//! | file | what is in it |
//! |---|---|
//! | `built` | an image that was built, as steps hand it on |
//! | `places` | where its files are, here and on another machine |
//! | `build` | `image.build` |
//! | `sync` | `image.sync` |
//! | `fetch` | `image.fetch` |
//! | `publish` | `image.publish` |
//! | `download` | `image.download` |
//! | `release` | an asset of a release: whole, or in parts |
//! | `partial` | one file over a line that breaks |
//! | `remove` | `image.remove` |

mod build;
mod built;
mod download;
mod fetch;
mod partial;
mod places;
mod publish;
mod release;
mod remove;
mod sync;

pub use build::ImageBuild;
pub use download::ImageDownload;
pub use fetch::ImageFetch;
pub use publish::ImagePublish;
pub use remove::ImageRemove;
pub use sync::ImageSync;
