//! RFC 9457 problem details.

use axum::{
    Json,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::error::ApiError;

const PROBLEM_JSON: &str = "application/problem+json";

/// Why a call was not answered with what was asked for. The type is `about:blank`: the status says it all, and
/// `error_code` is for programs.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    error_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_advice: Option<String>,
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        Self {
            r#type: "about:blank",
            title: error.status.canonical_reason().unwrap_or_default(),
            status: error.status.as_u16(),
            detail: error.message,
            error_code: error.code,
            error_advice: error.advice,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, [(CONTENT_TYPE, PROBLEM_JSON)], Json(self)).into_response()
    }
}
