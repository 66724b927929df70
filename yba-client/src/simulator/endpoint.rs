//! Which call a request is.

use crate::ids::UniverseId;

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident = $method:literal $path:literal;)+) => {
        /// A call of YBA's API, for scripting faults and counting requests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Endpoint {
            $($(#[$doc])* $name,)+
            /// Anything YBA has no route for.
            Unknown,
        }

        impl Endpoint {
            /// Every call the simulator answers, with its method and path below `/api/v1`;
            /// `~` stands for `/customers/{customer}`.
            pub(super) const ROUTES: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$name, $method, $path)),+];

            pub(super) const COUNT: usize = Self::ROUTES.len() + 1;
        }
    };
}

endpoints! {
    /// `POST ~/backups`
    CreateBackup = "POST" "~/backups";
    /// `POST ~/backups/incremental`: not a route of YBA; see
    /// [`SimulatorBuilder::legacy_gateway`](super::SimulatorBuilder::legacy_gateway).
    LegacyIncremental = "POST" "~/backups/incremental";
    /// `GET ~/backups`: not a route of YBA; see
    /// [`SimulatorBuilder::legacy_gateway`](super::SimulatorBuilder::legacy_gateway).
    LegacyLastBackup = "GET" "~/backups";
    /// `POST ~/backups/page`
    PageBackups = "POST" "~/backups/page";
    /// `POST ~/backups/delete`
    DeleteBackups = "POST" "~/backups/delete";
    /// `GET ~/backups/{backup}`
    GetBackup = "GET" "~/backups/{}";
    /// `PUT ~/backups/{backup}`
    EditBackup = "PUT" "~/backups/{}";
    /// `POST ~/backups/{backup}/stop`
    StopBackup = "POST" "~/backups/{}/stop";
    /// `GET ~/backups/{backup}/list_increments`
    ListIncrements = "GET" "~/backups/{}/list_increments";
    /// `GET ~/backups/{backup}/restorable_keyspace_tables`
    RestorableKeyspaces = "GET" "~/backups/{}/restorable_keyspace_tables";
    /// `GET ~/universes/{universe}/backups/tasks/{task}`
    BackupsOfTask = "GET" "~/universes/{}/backups/tasks/{}";
    /// `GET ~/tasks/{task}`
    GetTask = "GET" "~/tasks/{}";
    /// `GET ~/tasks/{task}/failed_subtasks`
    FailedSubtasks = "GET" "~/tasks/{}/failed_subtasks";
    /// `POST ~/tasks/{task}/abort`
    AbortTask = "POST" "~/tasks/{}/abort";
    /// `GET ~/tasks_list`
    ListTasks = "GET" "~/tasks_list";
    /// `POST ~/tasks_list/page`
    PageTasks = "POST" "~/tasks_list/page";
    /// `POST ~/restore`
    Restore = "POST" "~/restore";
    /// `POST ~/restore/preflight`
    RestorePreflight = "POST" "~/restore/preflight";
    /// `POST ~/restore/page`
    PageRestores = "POST" "~/restore/page";
    /// `POST ~/create_backup_schedule_async`
    CreateScheduleAsync = "POST" "~/create_backup_schedule_async";
    /// `POST ~/create_backup_schedule`
    CreateSchedule = "POST" "~/create_backup_schedule";
    /// `POST ~/schedules/page`
    PageSchedules = "POST" "~/schedules/page";
    /// `GET ~/schedules/{schedule}`
    GetSchedule = "GET" "~/schedules/{}";
    /// `DELETE ~/schedules/{schedule}/delete`
    DeleteSchedule = "DELETE" "~/schedules/{}/delete";
    /// `PUT ~/universes/{universe}/schedules/{schedule}/edit_backup_schedule_async`
    EditSchedule = "PUT" "~/universes/{}/schedules/{}/edit_backup_schedule_async";
    /// `PUT ~/universes/{universe}/schedules/{schedule}/pause_resume`
    PauseResumeSchedule = "PUT" "~/universes/{}/schedules/{}/pause_resume";
    /// `DELETE ~/universes/{universe}/schedules/{schedule}/delete_backup_schedule_async`
    DeleteScheduleAsync = "DELETE" "~/universes/{}/schedules/{}/delete_backup_schedule_async";
    /// `GET ~/universes/{universe}/pitr_config`
    ListPitr = "GET" "~/universes/{}/pitr_config";
    /// `POST ~/universes/{universe}/keyspaces/{type}/{keyspace}/pitr_config`
    CreatePitr = "POST" "~/universes/{}/keyspaces/{}/{}/pitr_config";
    /// `PUT ~/universes/{universe}/pitr_config/{config}`
    UpdatePitr = "PUT" "~/universes/{}/pitr_config/{}";
    /// `DELETE ~/universes/{universe}/pitr_config/{config}`
    DeletePitr = "DELETE" "~/universes/{}/pitr_config/{}";
    /// `POST ~/universes/{universe}/pitr`
    RestorePitr = "POST" "~/universes/{}/pitr";
    /// `GET /customers`
    ListCustomers = "GET" "/customers";
    /// `GET /customers/{customer}`
    GetCustomer = "GET" "~";
    /// `POST /api_login`
    LogIn = "POST" "/api_login";
    /// `PUT ~/api_token`
    RegenerateToken = "PUT" "~/api_token";
    /// `GET ~/universes`
    ListUniverses = "GET" "~/universes";
    /// `GET ~/universes/{universe}`
    GetUniverse = "GET" "~/universes/{}";
    /// `GET ~/universes/{universe}/namespaces`
    ListNamespaces = "GET" "~/universes/{}/namespaces";
    /// `GET ~/universes/{universe}/tables`
    ListTables = "GET" "~/universes/{}/tables";
    /// `PUT ~/universes/{universe}/update_backup_state`
    UpdateBackupState = "PUT" "~/universes/{}/update_backup_state";
    /// `GET ~/configs`
    ListConfigs = "GET" "~/configs";
    /// `GET /session_info`
    SessionInfo = "GET" "/session_info";
    /// `GET /app_version`
    AppVersion = "GET" "/app_version";
    /// `GET /ha_leader`
    HaLeader = "GET" "/ha_leader";
}

/// A request, recognised.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    /// The customer named in the path.
    pub(super) customer: Option<String>,
    /// What stood in the path's other places.
    pub(super) parts: Vec<String>,
}

impl Route {
    pub(super) fn of(method: &str, path: &str) -> Self {
        let segments: Vec<String> =
            path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
        let mut candidates = Endpoint::ROUTES.iter().filter(|(_, m, _)| *m == method);
        candidates.find_map(|(endpoint, _, pattern)| fit(*endpoint, pattern, &segments)).unwrap_or(Self {
            endpoint: Endpoint::Unknown,
            customer: None,
            parts: Vec::new(),
        })
    }

    /// The universe named in the path, for scripts that ask for one.
    pub(super) fn universe(&self) -> Option<UniverseId> {
        let (_, _, pattern) = Endpoint::ROUTES.iter().find(|(e, ..)| *e == self.endpoint)?;
        pattern.starts_with("~/universes/{}").then(|| UniverseId::from(self.parts[0].as_str()))
    }
}

fn fit(endpoint: Endpoint, pattern: &str, segments: &[String]) -> Option<Route> {
    let mut segments = segments.strip_prefix(&["api".to_owned(), "v1".to_owned()])?.iter();
    let mut route = Route { endpoint, customer: None, parts: Vec::new() };
    for expected in pattern.split('/').filter(|segment| !segment.is_empty()) {
        match expected {
            "~" => {
                if segments.next()? != "customers" {
                    return None;
                }
                route.customer = Some(segments.next()?.clone());
            }
            "{}" => route.parts.push(segments.next()?.clone()),
            word => {
                if segments.next()? != word {
                    return None;
                }
            }
        }
    }
    segments.next().is_none().then_some(route)
}

fn decoded(segment: &str) -> String {
    // A form value's `+` is a space, a path's is not.
    let text = segment.replace('+', "%2B").replace('&', "%26");
    let pairs = format!("k={text}");
    url::form_urlencoded::parse(pairs.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}
