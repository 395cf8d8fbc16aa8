//! What a request names, in its path and behind the `?`. What cannot be read is a page
//! as every other problem is.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::serve::shared::Shared;

/// The parts of the path that the route names.
#[derive(Debug)]
pub(super) struct InPath<T>(pub(super) T);

/// What stands behind the `?`.
#[derive(Debug)]
pub(super) struct InQuery<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Shared>> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let path = Path::<T>::from_request_parts(parts, shared).await;
        let Path(named) = path.map_err(|_| Problem::not_found("There is no such page."))?;
        Ok(Self(named))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Shared>> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let query = Query::<T>::from_request_parts(parts, shared).await;
        let Query(queried) = query
            .map_err(|_| Problem::bad_form("What stands behind the `?` of the URL is odd."))?;
        Ok(Self(queried))
    }
}
