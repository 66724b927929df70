//! Requests, built without a network: operation name, method, path, query, body, and whether the
//! call may be repeated.

use reqwest::Method;
use serde::Serialize;

use crate::ids::RequestId;

/// What happens if YBA receives the same call twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Idempotency {
    /// Reads only (some of YBA's reads are `POST`s): may be repeated.
    Safe,
    /// Changes something: never repeated by this crate once YBA may have received it.
    Unsafe,
}

/// Where a request goes, relative to the configured address or as an absolute URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Segments below the base address, already filled in and not yet percent-encoded.
    Path(Vec<String>),
    /// A URL somebody configured; checked against the allowed addresses before anything is sent.
    Absolute(String),
}

/// One call, ready to be sent.
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own, and few calls have one")]
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) template: &'static str,
    pub(crate) target: Target,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) idempotency: Idempotency,
    pub(crate) id: Option<RequestId>,
    pub(crate) authenticated: bool,
    /// Sent although the circuit may be open: it looks for whoever answers instead.
    pub(crate) despite_circuit: bool,
    /// YBA works before it answers: the call may take longer than others.
    pub(crate) patient: bool,
    /// The answer holds a token, which must not be struck out.
    pub(crate) answers_secret: bool,
    /// Why the request cannot be sent; the first fault wins.
    pub(crate) fault: Option<String>,
}

impl Request {
    pub(crate) fn new(operation: &'static str, method: Method, template: &'static str) -> Self {
        let idempotency = if method == Method::GET { Idempotency::Safe } else { Idempotency::Unsafe };
        Self {
            operation,
            method,
            template,
            target: Target::Path(template.split('/').filter(|s| !s.is_empty()).map(String::from).collect()),
            query: Vec::new(),
            body: None,
            idempotency,
            id: None,
            authenticated: true,
            despite_circuit: false,
            patient: false,
            answers_secret: false,
            fault: None,
        }
    }

    pub(crate) fn get(operation: &'static str, template: &'static str) -> Self {
        Self::new(operation, Method::GET, template)
    }

    pub(crate) fn post(operation: &'static str, template: &'static str) -> Self {
        Self::new(operation, Method::POST, template)
    }

    /// A request to a URL that was configured as a whole.
    pub(crate) fn absolute(operation: &'static str, method: Method, url: &str) -> Self {
        let mut request = Self::new(operation, method, "(configured url)");
        request.target = Target::Absolute(url.to_owned());
        request
    }

    /// Fills `{name}` of the path.
    ///
    /// An id that is empty or a dot segment would silently name another resource, so it is a fault.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if matches!(value, "" | "." | "..") {
            return self.refuse(format!("{name} is {value:?}, which names nothing"));
        }
        if let Target::Path(segments) = &mut self.target {
            for segment in segments {
                if segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) == Some(name) {
                    value.clone_into(segment);
                }
            }
        }
        self
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(bytes) => self.body = Some(bytes),
            Err(error) => return self.refuse(format!("the body cannot be written: {error}")),
        }
        self
    }

    /// The call changes nothing although its method says it might.
    pub(crate) fn safe(mut self) -> Self {
        self.idempotency = Idempotency::Safe;
        self
    }

    pub(crate) fn request_id(mut self, id: &RequestId) -> Self {
        self.id = Some(id.clone());
        self
    }

    /// The call needs no token, and gets none.
    pub(crate) fn anonymous(mut self) -> Self {
        self.authenticated = false;
        self
    }

    pub(crate) fn despite_circuit(mut self) -> Self {
        self.despite_circuit = true;
        self
    }

    pub(crate) fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    pub(crate) fn answers_secret(mut self) -> Self {
        self.answers_secret = true;
        self
    }

    /// Takes over the verdict of a parameter check.
    pub(crate) fn checked(self, check: Result<(), String>) -> Self {
        match check {
            Ok(()) => self,
            Err(fault) => self.refuse(fault),
        }
    }

    fn refuse(mut self, fault: String) -> Self {
        self.fault.get_or_insert(fault);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_filled_by_name() {
        let request = Request::get("backups.get", "/api/v1/customers/{customer}/backups/{backup}")
            .with("customer", "c/1")
            .with("backup", "b");
        let segments = ["api", "v1", "customers", "c/1", "backups", "b"].map(String::from);
        assert_eq!(request.target, Target::Path(segments.to_vec()));
        assert_eq!(request.idempotency, Idempotency::Safe);
    }

    #[test]
    fn an_id_that_would_change_the_path_is_refused() {
        for id in ["", ".", ".."] {
            let request = Request::get("tasks.get", "/tasks/{task}").with("task", id);
            assert!(request.fault.unwrap().contains("task"), "{id:?}");
        }
    }

    #[test]
    fn a_post_changes_something_unless_it_says_otherwise() {
        assert_eq!(Request::post("a", "/a").idempotency, Idempotency::Unsafe);
        assert_eq!(Request::post("a", "/a").safe().idempotency, Idempotency::Safe);
    }
}
