//! Backup schedules that YBA keeps itself.

use futures_util::Stream;
use reqwest::Method;
use serde_json::{Value, json};

use super::task_accepted;
use crate::{
    client::YbaClient,
    error::Error,
    ids::{RequestId, ScheduleId, UniverseId},
    page::{self, Page},
    request::Request,
    types::{CreateSchedule, EditSchedule, Schedule, ScheduleQuery, ScheduleState, TaskAccepted},
};

/// The backup schedules of the customer.
///
#[cfg_attr(feature = "simulator", doc = "```")]
#[cfg_attr(not(feature = "simulator"), doc = "```ignore")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
/// use yba_client::{CreateBackup, CreateSchedule, Recurrence, RequestId, TableType, TimeUnit, simulator::Simulator};
///
/// let yba = Simulator::builder().manual_clock().start().await;
/// let schedules = yba.client();
/// let schedules = schedules.schedules();
/// let backup = CreateBackup::full(yba.universe(), yba.storage_config(), TableType::Ysql);
/// let nightly = CreateSchedule::full("nightly", backup, Recurrence::Cron("0 2 * * *".to_owned()))
///     .increments_every(Duration::from_secs(4 * 3600), TimeUnit::Hours);
/// schedules.create(&nightly, &RequestId::new()).await?;
/// let found = schedules.find(&yba.universe(), "nightly").await?.ok_or("not there")?;
/// schedules.pause(&yba.universe(), &found.schedule_uuid).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Schedules<'a>(&'a YbaClient);

impl YbaClient {
    /// The backup schedules of the customer.
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules(self)
    }
}

const OF_UNIVERSE: &str = "/api/v1/customers/{customer}/universes/{universe}/schedules/{schedule}";

impl Schedules<'_> {
    /// Makes a schedule, by a task: it exists once the task has succeeded.
    pub async fn create(
        &self,
        schedule: &CreateSchedule,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let template = "/api/v1/customers/{customer}/create_backup_schedule_async";
        let request = Request::post("schedules.create", template)
            .checked(schedule.validate())
            .json(schedule)
            .request_id(request_id);
        self.0.call(self.0.scoped(request), |answer| task_accepted(&answer)).await
    }

    /// Makes a schedule at once; for servers before 2.20, and deprecated since.
    pub async fn create_now(&self, schedule: &CreateSchedule) -> Result<Schedule, Error> {
        let template = "/api/v1/customers/{customer}/create_backup_schedule";
        let request =
            Request::post("schedules.create_now", template).checked(schedule.validate()).json(schedule);
        self.0.fetch(self.0.scoped(request)).await
    }

    /// One schedule.
    pub async fn get(&self, schedule: &ScheduleId) -> Result<Schedule, Error> {
        let template = "/api/v1/customers/{customer}/schedules/{schedule}";
        let request = Request::get("schedules.get", template).with("schedule", schedule.as_str());
        self.0.fetch(self.0.scoped(request)).await
    }

    /// One page of the list of schedules, by name.
    pub async fn page(&self, query: &ScheduleQuery) -> Result<Page<Schedule>, Error> {
        let request = Request::post("schedules.page", "/api/v1/customers/{customer}/schedules/page")
            .safe()
            .checked(query.validate())
            .json(&query.clone().sorted("scheduleName"));
        self.0.fetch(self.0.scoped(request)).await
    }

    /// The list of schedules, page after page.
    pub fn stream(&self, query: ScheduleQuery) -> impl Stream<Item = Result<Schedule, Error>> + Send + use<> {
        let client = self.0.clone();
        page::stream(
            query,
            |row: &Schedule| row.schedule_uuid.clone(),
            move |query| {
                let client = client.clone();
                async move { client.schedules().page(&query).await }
            },
        )
    }

    /// The schedule of this name, if the universe has one. Names are unique per universe.
    pub async fn find(&self, universe: &UniverseId, name: &str) -> Result<Option<Schedule>, Error> {
        use futures_util::TryStreamExt;
        let mut all = std::pin::pin!(self.stream(ScheduleQuery::new().universe(universe)));
        while let Some(schedule) = all.try_next().await? {
            if schedule.schedule_name == name {
                return Ok(Some(schedule));
            }
        }
        Ok(None)
    }

    /// Changes a schedule, by a task.
    pub async fn edit(
        &self,
        universe: &UniverseId,
        schedule: &ScheduleId,
        change: &EditSchedule,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/schedules/{schedule}\
                        /edit_backup_schedule_async";
        let request = Self::of(Method::PUT, "schedules.edit", template, universe, schedule)
            .checked(change.validate())
            .json(change)
            .request_id(request_id);
        self.0.call(self.0.scoped(request), |answer| task_accepted(&answer)).await
    }

    /// Stops a schedule. Refused (400) when it is stopped already.
    pub async fn pause(&self, universe: &UniverseId, schedule: &ScheduleId) -> Result<(), Error> {
        self.toggle("schedules.pause", universe, schedule, &ScheduleState::Stopped, false).await
    }

    /// Lets a stopped schedule fire again, and once at once if so wished. Refused (400) when it is not
    /// stopped.
    pub async fn resume(
        &self,
        universe: &UniverseId,
        schedule: &ScheduleId,
        run_now: bool,
    ) -> Result<(), Error> {
        self.toggle("schedules.resume", universe, schedule, &ScheduleState::Active, run_now).await
    }

    async fn toggle(
        &self,
        operation: &'static str,
        universe: &UniverseId,
        schedule: &ScheduleId,
        state: &ScheduleState,
        run_now: bool,
    ) -> Result<(), Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/schedules/{schedule}/pause_resume";
        let body = json!({"status": state, "runImmediateBackupOnResume": run_now});
        let request = Self::of(Method::PUT, operation, template, universe, schedule).json(&body);
        let _answer: Value = self.0.fetch(self.0.scoped(request)).await?;
        Ok(())
    }

    /// Deletes a schedule, by a task. Its backups stay.
    pub async fn delete(
        &self,
        universe: &UniverseId,
        schedule: &ScheduleId,
        request_id: &RequestId,
    ) -> Result<TaskAccepted, Error> {
        let template = "/api/v1/customers/{customer}/universes/{universe}/schedules/{schedule}\
                        /delete_backup_schedule_async";
        let request =
            Self::of(Method::DELETE, "schedules.delete", template, universe, schedule).request_id(request_id);
        self.0.call(self.0.scoped(request), |answer| task_accepted(&answer)).await
    }

    /// Deletes a schedule at once; for servers before 2024.2, and deprecated since.
    pub async fn delete_now(&self, schedule: &ScheduleId) -> Result<(), Error> {
        let template = "/api/v1/customers/{customer}/schedules/{schedule}/delete";
        let request = Request::new("schedules.delete_now", Method::DELETE, template)
            .with("schedule", schedule.as_str());
        let _answer: Value = self.0.fetch(self.0.scoped(request)).await?;
        Ok(())
    }

    fn of(
        method: Method,
        operation: &'static str,
        template: &'static str,
        universe: &UniverseId,
        schedule: &ScheduleId,
    ) -> Request {
        debug_assert!(template.starts_with(OF_UNIVERSE));
        Request::new(operation, method, template)
            .with("universe", universe.as_str())
            .with("schedule", schedule.as_str())
    }
}
