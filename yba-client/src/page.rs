//! Pages, and the stream over all of them.

use std::collections::BTreeSet;

use futures_util::{Stream, TryStreamExt, stream};
use serde::Deserialize;

use crate::{error::Error, types::lenient};

/// One page of a list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Page<T> {
    /// The entries.
    #[serde(deserialize_with = "lenient::or_default", bound(deserialize = "T: Deserialize<'de>"))]
    pub entities: Vec<T>,
    /// There are more after these.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub has_next: bool,
    /// There are more before these.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub has_prev: bool,
    /// How many there are altogether; means something only if it was asked for.
    #[serde(default)]
    pub total_count: Option<i64>,
}

/// Walks a list page by page, each entry once.
///
/// YBA orders by creation time alone, so entries of the same second may swap places between two
/// pages, and a new entry pushes all others on by one. Pages therefore overlap a little, and what has
/// been seen is left out.
pub(crate) fn stream<T, K, F, Fut>(
    offset: i32,
    limit: i32,
    key: fn(&T) -> K,
    fetch: F,
) -> impl Stream<Item = Result<T, Error>> + Send
where
    T: Send + 'static,
    K: Ord + Send + 'static,
    F: Fn(i32) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Page<T>, Error>> + Send,
{
    let overlap = (limit / 10).clamp(0, 5);
    let start = Some((offset, BTreeSet::new(), fetch));
    stream::try_unfold(start, move |state| async move {
        let Some((offset, mut seen, fetch)) = state else { return Ok(None) };
        let page = fetch(offset).await?;
        let received = i32::try_from(page.entities.len()).unwrap_or(i32::MAX);
        let fresh: Vec<Result<T, Error>> =
            page.entities.into_iter().filter(|entry| seen.insert(key(entry))).map(Ok).collect();
        // A page no longer than the overlap would bring us back to the same place.
        let step = if received > overlap { received - overlap } else { received };
        let next = (page.has_next && received > 0).then(|| (offset + step, seen, fetch));
        Ok::<_, Error>(Some((stream::iter(fresh), next)))
    })
    .try_flatten()
}
