//! Limits of a request that the connection does not keep.

use axum::{
    extract::Request,
    http::StatusCode,
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::error::ApiError;

/// Longer than any path and query of ours with values of the longest.
const MAX_TARGET_BYTES: usize = 8 * 1024;

/// Refuses a path and query that are longer than any of ours.
pub(crate) async fn refuse_long_targets(request: Request, next: Next) -> Response {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > MAX_TARGET_BYTES {
        let message = format!("the path and its query are longer than {MAX_TARGET_BYTES} bytes");
        return ApiError::refused(StatusCode::URI_TOO_LONG, message).into_response();
    }
    next.run(request).await
}
