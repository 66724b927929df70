//! From request to answer: what stands in front of the handlers, in YBA's order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use wiremock::{Request, Respond, ResponseTemplate};

use super::{
    RecordedRequest,
    endpoint::{Endpoint, Route},
    fault::{Fault, Script},
    handlers,
    reply::{Cut, Refusal, Reply},
    spec::Role,
    world::{Mode, World},
};
use crate::ids::{RequestId, UniverseId};

/// The simulator's state as the mock server sees it.
#[derive(Clone)]
pub(super) struct Responder(pub(super) Arc<Mutex<World>>);

impl Responder {
    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request as the handlers get it.
pub(super) struct Incoming<'a> {
    pub(super) request: &'a Request,
    pub(super) route: Route,
    pub(super) request_id: Option<RequestId>,
}

impl Incoming<'_> {
    pub(super) fn part(&self, index: usize) -> &str {
        self.route.parts.get(index).map_or("", String::as_str)
    }

    pub(super) fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.request.url.query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(super) fn body(&self) -> Result<serde_json::Value, Refusal> {
        if self.request.body.is_empty() {
            return Err(Refusal::bad_request("Request payload is empty, expected JSON"));
        }
        serde_json::from_slice(&self.request.body)
            .map_err(|error| Refusal::bad_request(format!("Failed to parse object: {error}")))
    }
}

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let route = Route::of(request.method.as_str(), request.url.path());
        let header = |name: &str| {
            let value = request.headers.get(name)?;
            value.to_str().ok().filter(|value| !value.is_empty()).map(str::to_owned)
        };
        let sent_id = header("x-request-id").map(RequestId::from);
        let endpoint = route.endpoint;
        let mut world = self.lock();
        world.settle();
        world.counts[endpoint as usize] += 1;
        // YBA gives an id to the requests that have none.
        let request_id = Some(sent_id.unwrap_or_else(RequestId::new));
        let token_fits = header("x-auth-yw-api-token").is_some_and(|t| t == world.settings.token);
        let incoming = Incoming { request, route, request_id };
        let script = world.next_script(&incoming);
        let reply = match script {
            None => handle(&mut world, &incoming, token_fits),
            Some(script) => misbehave(&mut world, &incoming, token_fits, script),
        };
        world.record(&incoming, &reply);
        let echo = world.settings.correlation;
        drop(world);
        let echoed = incoming.request_id.as_ref().filter(|_| echo);
        reply.into_template(echoed.map(RequestId::as_str))
    }
}

fn universe_of(incoming: &Incoming<'_>) -> Option<UniverseId> {
    incoming.route.universe().or_else(|| {
        let body: serde_json::Value = serde_json::from_slice(&incoming.request.body).ok()?;
        body.get("universeUUID")?.as_str().map(UniverseId::from)
    })
}

impl World {
    fn next_script(&mut self, incoming: &Incoming<'_>) -> Option<Script> {
        let scripts = self.scripts.get_mut(&incoming.route.endpoint).filter(|scripts| !scripts.is_empty())?;
        let universe = universe_of(incoming);
        let universe = universe.as_ref();
        let taken = scripts.iter_mut().find_map(|script| script.take(universe).then(|| script.clone()));
        scripts.retain(|script| !script.is_spent());
        taken
    }

    fn record(&mut self, incoming: &Incoming<'_>, reply: &Reply) {
        if !self.settings.record {
            return;
        }
        if self.log.len() >= self.settings.record_limit {
            self.log.pop_front();
        }
        let at = self.now();
        self.log.push_back(RecordedRequest::of(incoming, reply, at));
    }
}

/// Carries out a script, with or without the work.
fn misbehave(world: &mut World, incoming: &Incoming<'_>, token_fits: bool, script: Script) -> Reply {
    let honest = script.work_done.then(|| handle(world, incoming, token_fits));
    let normal = || honest.clone().unwrap_or_else(|| Reply::plain(200, ""));
    match script.fault {
        Fault::Delay(delay) => Reply { delay: Some(delay), ..normal() },
        Fault::DropBeforeAcceptance | Fault::DropAfterAcceptance => {
            Reply { cut: Some(Cut::Close), ..normal() }
        }
        Fault::Reset => Reply { cut: Some(Cut::Reset), ..normal() },
        Fault::Truncated => Reply { cut: Some(Cut::Truncate), ..normal() },
        Fault::Unreadable200 => Reply::new(200, "application/json", "{\"taskUUID\": \"0b"),
        Fault::Html => Reply::new(
            502,
            "text/html",
            "<html><head><title>502 Bad Gateway</title></head>\
             <body><center><h1>502 Bad Gateway</h1></center><hr>nginx</body></html>",
        ),
        Fault::Status { code, body, content_type } => Reply::new(code, &content_type, body),
        Fault::Redirect { code, location } => Reply { location: Some(location), ..Reply::plain(code, "") },
        Fault::Drip(every) => Reply { drip: Some(every), ..normal() },
        Fault::Rewritten { pointer, value } => normal().with_json(|body| rewrite(body, &pointer, value)),
        Fault::RowBefore(row) => normal().with_json(|body| {
            if let Value::Array(rows) = body {
                rows.insert(0, row);
            }
        }),
    }
}

/// Changes one place of an answer; where there is no such place, nothing.
fn rewrite(body: &mut Value, pointer: &str, value: Option<Value>) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    match (body.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => _ = fields.insert(key.to_owned(), value),
        (Some(Value::Object(fields)), None) => _ = fields.remove(key),
        (Some(Value::Array(rows)), value) => {
            if let (Some(row), Some(value)) = (key.parse().ok().and_then(|at: usize| rows.get_mut(at)), value)
            {
                *row = value;
            }
        }
        _ => {}
    }
}

fn handle(world: &mut World, incoming: &Incoming<'_>, token_fits: bool) -> Reply {
    let endpoint = incoming.route.endpoint;
    let method = incoming.request.method.as_str();
    if world.settings.mode == Mode::Stopping {
        return Reply::plain(503, "YBA is shutting down");
    }
    let reads = method == "GET" || endpoint.reads_by_post();
    let passes_standby = reads || endpoint == Endpoint::LogIn;
    if world.settings.mode == Mode::Standby && !passes_standby {
        return Reply::plain(503, "API not available for follower YBA");
    }
    if endpoint == Endpoint::Unknown {
        return handlers::unknown_route(incoming).into_reply(method, incoming.request.url.path());
    }
    if !matches!(endpoint, Endpoint::AppVersion | Endpoint::HaLeader | Endpoint::LogIn) {
        let ours = incoming.route.customer.as_deref();
        if !token_fits || ours.is_some_and(|customer| world.settings.customer != *customer) {
            return Reply::plain(401, "Unable To Authenticate User");
        }
        if !may(world.settings.role, endpoint, reads, incoming.request.url.path()) {
            return if world.settings.new_access_model {
                Reply::plain(401, "Unable to authorize user")
            } else {
                Reply::plain(403, "User doesn't have access")
            };
        }
    }
    match handlers::answer(world, incoming) {
        Ok(body) => Reply::json(&body),
        Err(refusal) => refusal.into_reply(method, incoming.request.url.path()),
    }
}

fn may(role: Role, endpoint: Endpoint, reads: bool, path: &str) -> bool {
    match role {
        Role::Admin => true,
        Role::ConnectOnly => endpoint == Endpoint::SessionInfo,
        Role::ReadOnly => reads,
        Role::BackupAdmin => {
            reads
                || path.contains("/backups")
                || path.contains("/schedules")
                || path.contains("/create_backup_schedule")
                || path.ends_with("/restore")
        }
    }
}

impl Endpoint {
    /// Reads that YBA dresses as `POST`.
    fn reads_by_post(self) -> bool {
        matches!(self, Self::PageBackups | Self::PageTasks | Self::PageRestores | Self::PageSchedules)
    }
}
