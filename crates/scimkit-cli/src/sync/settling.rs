//! Whether the plans of two runs differ, and whether test mode can end.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use scimkit::{
    ConnectionId, SqliteStore, TenantId,
    provision::{
        Clock, ConnectionSettings, TenantAdmin,
        sync::{PlanComparison, RunState, RunStore, SettleTimes},
    },
    store::{Connection, Journal as _, JournalQuery, JournalSubject, StoreError, TenantStore as _},
};
use serde_json::json;

use super::{Compare, report, whole};
use crate::{
    chain,
    store_args::{CommandOutput, Failure, TenantArgs},
};

/// The number of runs among which those in test mode are.
const RUNS: u32 = 200;

pub(super) async fn compare(
    store: Arc<SqliteStore>,
    options: &Compare,
) -> Result<CommandOutput, Failure> {
    let site = Site::new(store, &options.tenant).await?;
    let (one, first) = whole(&site.runs, options.first).await?;
    let (other, second) = whole(&site.runs, options.second).await?;
    report::summary(&one)?;
    report::summary(&other)?;
    let comparison = PlanComparison::new(&first, &second);
    let apart = other.started.signed_duration_since(one.started).abs();
    let is_settled = comparison.is_settled(&site.times(apart).await?);
    let verdict = if is_settled {
        "settled: test mode can end"
    } else {
        "not settled: the plans differ too much, are less than an interval apart, or requests still come"
    };
    let lines = [
        format!("{} lines differ", comparison.differences()),
        format!("{} in both, with other content", comparison.changed),
        format!("{} only in run {}", comparison.only_first, options.first),
        format!("{} only in run {}", comparison.only_second, options.second),
        format!("{} the same", comparison.same),
        verdict.to_owned(),
    ];
    let json = json!({
        "changed": comparison.changed,
        "differences": comparison.differences(),
        "isSettled": is_settled,
        "onlyFirst": comparison.only_first,
        "onlySecond": comparison.only_second,
        "same": comparison.same,
    });
    Ok(CommandOutput::new(json, lines))
}

/// Checks that the newest plan of a connection in test mode hardly differs from one that is an interval older.
pub(crate) async fn check_settled(
    store: Arc<SqliteStore>,
    tenant: &TenantArgs,
    connection: &ConnectionId,
) -> Result<(), Failure> {
    let site = Site::new(store, tenant).await?;
    let runs = site.runs.runs(RUNS).await;
    let runs = runs.map_err(|error| Failure::Unusable(chain(&error)))?;
    let mut tests = runs
        .iter()
        .filter(|run| run.state == RunState::Test && run.connections.contains(connection.as_str()));
    if let Some(newest) = tests.next() {
        let (_, second) = whole(&site.runs, newest.id).await?;
        for older in tests {
            let apart = newest.started.signed_duration_since(older.started);
            let times = site.times(apart).await?;
            if apart >= times.interval {
                let (_, first) = whole(&site.runs, older.id).await?;
                if PlanComparison::new(&first, &second).is_settled(&times) {
                    return Ok(());
                }
                break;
            }
        }
    }
    let problem = format!(
        "the plans of `{connection}` are not settled: compare them with `scimkit sync compare`, or pass `--unsettled`"
    );
    Err(Failure::Rejected(problem))
}

/// A tenant with its connections that have staged delivery.
pub(super) struct Site {
    pub(super) runs: RunStore,
    pub(super) staged: Vec<(Connection, ConnectionSettings)>,
    store: Arc<SqliteStore>,
    tenant: TenantId,
}

impl Site {
    pub(super) async fn new(store: Arc<SqliteStore>, tenant: &TenantArgs) -> Result<Self, Failure> {
        let tenant = tenant.id();
        let admin = TenantAdmin::new(store.clone());
        admin.tenant(&tenant).await?;
        let staged = |connection: Connection| {
            let settings = ConnectionSettings::from_json(&connection.settings).ok()?;
            settings.is_staged().then_some((connection, settings))
        };
        let connections = admin.connections(&tenant).await?.into_iter();
        Ok(Site {
            runs: RunStore::new(store.clone(), tenant.clone()),
            staged: connections.filter_map(staged).collect(),
            store,
            tenant,
        })
    }

    /// The time of the last request of a connection with staged delivery.
    async fn last_request(&self) -> Result<Option<DateTime<Utc>>, Failure> {
        let unread = |error: StoreError| Failure::Unusable(chain(&error));
        let tokens = self.store.tokens(&self.tenant).await.map_err(unread)?;
        let mut last = None;
        for (connection, _) in &self.staged {
            let own = tokens
                .iter()
                .filter(|token| token.connection == connection.id);
            last = last.max(own.filter_map(|token| token.last_used).max());
            // The application may authenticate requests itself.
            let query = JournalQuery::latest()
                .with_connection(connection.id.clone())
                .with_limit(20);
            let read = self.store.entries(&self.tenant, &query).await;
            let entries = read.map_err(unread)?.page().map(|page| page.entries);
            let mut written = entries
                .into_iter()
                .flatten()
                .filter(|entry| matches!(entry.subject, JournalSubject::Resource { .. }));
            last = last.max(written.next().map(|entry| entry.at));
        }
        Ok(last)
    }

    /// The times by which two plans are settled: the longest ones of all connections.
    async fn times(&self, apart: TimeDelta) -> Result<SettleTimes, Failure> {
        let last = self.last_request().await?;
        let now = Clock::default().now();
        let quiet_for = last.map_or(TimeDelta::MAX, |last| now.signed_duration_since(last));
        let mut times = SettleTimes::new(apart, quiet_for);
        let longest = |default: TimeDelta, chosen: fn(&ConnectionSettings) -> Option<Duration>| {
            let each = self.staged.iter().map(|(_, settings)| {
                let chosen = chosen(settings).and_then(|long| TimeDelta::from_std(long).ok());
                chosen.unwrap_or(default)
            });
            each.max().unwrap_or(default)
        };
        times.interval = longest(times.interval, |settings| settings.interval);
        times.quiet = longest(times.quiet, |settings| settings.quiet);
        Ok(times)
    }
}
