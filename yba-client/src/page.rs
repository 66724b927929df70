//! Pages, and the stream over all of them.

use std::collections::BTreeSet;

use futures_util::{Stream, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

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

/// A question for one page of a list: a filter, an order, a place.
///
/// Every resource has its own alias of this with the filters it knows, such as
/// [`BackupQuery`](crate::BackupQuery).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[must_use]
pub struct Envelope<F> {
    pub(crate) filter: F,
    pub(crate) sort_by: &'static str,
    direction: &'static str,
    pub(crate) offset: i32,
    pub(crate) limit: i32,
    need_total_count: bool,
}

impl<F: Default> Default for Envelope<F> {
    fn default() -> Self {
        Self {
            filter: F::default(),
            sort_by: "createTime",
            direction: "DESC",
            offset: 0,
            limit: 50,
            need_total_count: false,
        }
    }
}

impl<F: Default> Envelope<F> {
    /// Everything, newest first.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<F> Envelope<F> {
    /// Oldest first.
    pub fn oldest_first(mut self) -> Self {
        self.direction = "ASC";
        self
    }

    /// Leaves out the first so many.
    pub fn offset(mut self, offset: i32) -> Self {
        self.offset = offset;
        self
    }

    /// The most entries per page; large pages are slow. Default 50.
    pub fn limit(mut self, limit: i32) -> Self {
        self.limit = limit;
        self
    }

    /// Also counts all matches, which costs YBA a query.
    pub fn with_total(mut self) -> Self {
        self.need_total_count = true;
        self
    }

    /// Says what YBA would refuse, naming the field.
    ///
    /// # Errors
    /// The first fault, in words.
    pub fn validate(&self) -> Result<(), String> {
        if self.limit < 1 {
            return Err("limit must be at least 1".to_owned());
        }
        if self.offset < 0 {
            return Err("offset is negative".to_owned());
        }
        Ok(())
    }

    /// Another order than by time of creation.
    pub(crate) fn sorted(mut self, by: &'static str) -> Self {
        self.sort_by = by;
        self.direction = "ASC";
        self
    }
}

/// Walks a list page by page, each entry once.
///
/// YBA orders by creation time alone, so entries of the same second may swap places between two
/// pages, and a new entry pushes all others on by one. Pages therefore overlap a little, and what has
/// been seen is left out.
pub(crate) fn stream<T, K, Q, F, Fut>(
    query: Envelope<Q>,
    key: fn(&T) -> K,
    fetch: F,
) -> impl Stream<Item = Result<T, Error>> + Send
where
    T: Send + 'static,
    K: Ord + Send + 'static,
    Q: Clone + Send + 'static,
    F: Fn(Envelope<Q>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Page<T>, Error>> + Send,
{
    let overlap = (query.limit / 10).clamp(0, 5);
    let start = Some((query, BTreeSet::new(), fetch));
    stream::try_unfold(start, move |state| async move {
        let Some((query, mut seen, fetch)) = state else { return Ok(None) };
        let page = fetch(query.clone()).await?;
        let received = i32::try_from(page.entities.len()).unwrap_or(i32::MAX);
        let fresh: Vec<Result<T, Error>> =
            page.entities.into_iter().filter(|entry| seen.insert(key(entry))).map(Ok).collect();
        // A page no longer than the overlap would bring us back to the same place.
        let step = if received > overlap { received - overlap } else { received };
        let next = page.has_next && received > 0;
        let next = next.then(|| {
            let offset = query.offset.saturating_add(step);
            (query.offset(offset), seen, fetch)
        });
        Ok::<_, Error>(Some((stream::iter(fresh), next)))
    })
    .try_flatten()
}
