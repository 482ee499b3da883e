//! The rows of staged delivery: runs, steps, links and exemptions.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use scimkit_registry::ResourceId;
use scimkit_store::{KeyValue, KeyValueEdit, KeyValues, StoreError, TenantId};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    exemptions::Exemptions,
    link::{Link, LinkEdit, LinkSource},
    rules::PlanScope,
    run::{Run, RunId, RunState},
    step::Step,
};

const BACKUP: &str = "sync_backup";
const EXEMPTIONS: &str = "sync_exemption";
const LINKS: &str = "sync_link";
const PROGRESS: &str = "sync_progress";
const RUNS: &str = "sync_run";
const STEPS: &str = "sync_step";

/// The number of rows that are read or written at once.
const ROWS: u32 = 1_000;
/// The maximum number of bytes of a piece of a backup.
const PIECE: usize = 512 << 10;
/// The number of runs that are kept.
pub(super) const KEPT_RUNS: usize = 200;
/// The number of attempts to change a row that others change, too.
const RACES: usize = 16;

/// The runs of a tenant with their steps, the links to the directory, and the exemptions.
///
/// They are values of the store ([`KeyValues`]), so that a command can read them, and ask for a run, beside the server
/// that carries it out.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// use scimkit_provision::{chrono::DateTime, sync::{RunState, RunStore}};
/// use scimkit_store::{MemoryStore, TenantId};
///
/// let runs = RunStore::new(Arc::new(MemoryStore::new()), TenantId::from("acme"));
/// let asked = runs.ask("ines", DateTime::UNIX_EPOCH).await?;
/// assert_eq!(asked.state, RunState::Pending);
/// // A second request joins the run that has not ended.
/// assert_eq!(runs.ask("jim", DateTime::UNIX_EPOCH).await?.id, asked.id);
/// assert_eq!(runs.runs(10).await?.len(), 1);
/// # Ok::<(), scimkit_store::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct RunStore {
    tenant: TenantId,
    values: Arc<dyn KeyValues>,
}

/// How far a run has carried out its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The number of steps that were carried out or rejected, in their order of application.
    pub(super) applied: u64,
    /// The fence of the lease under which the last one was.
    pub(super) fence: u64,
}

impl Progress {
    fn text(self) -> String {
        format!("{} {}", self.fence, self.applied)
    }

    fn parse(text: &str) -> Option<Self> {
        let (fence, applied) = text.split_once(' ')?;
        Some(Progress {
            applied: applied.parse().ok()?,
            fence: fence.parse().ok()?,
        })
    }
}

/// Newer runs come first.
fn run_key(id: RunId) -> String {
    format!("{:020}", u64::MAX - id.number())
}

fn step_key(id: RunId, index: u64) -> String {
    format!("{}/{index:012}", run_key(id))
}

fn link_key(source: &LinkSource) -> String {
    match source {
        LinkSource::User(id) => format!("user/{id}"),
        LinkSource::Group(id) => format!("group/{id}"),
        LinkSource::Value(value) => format!("value/{value}"),
    }
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(StoreError::backend)
}

fn parsed<T: DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::backend)
}

impl RunStore {
    /// Returns the rows of a tenant.
    #[must_use]
    pub fn new(values: Arc<dyn KeyValues>, tenant: TenantId) -> Self {
        RunStore { tenant, values }
    }

    /// Returns the newest runs, the last one first.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn runs(&self, limit: u32) -> Result<Vec<Run>, StoreError> {
        let found = self
            .values
            .key_values(&self.tenant, RUNS, "", "", limit)
            .await?;
        found.iter().map(|found| parsed(&found.value)).collect()
    }

    /// Returns a run.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let text = self.text(RUNS, run_key(id)).await?;
        text.as_deref().map(parsed).transpose()
    }

    /// Returns the steps of a run after the first `skip` ones, in the order of their keys, at most 1,000.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn steps(&self, id: RunId, skip: u64) -> Result<Vec<Step>, StoreError> {
        let prefix = format!("{}/", run_key(id));
        let after = skip.checked_sub(1).map(|last| step_key(id, last));
        let after = after.unwrap_or_default();
        let found = self
            .values
            .key_values(&self.tenant, STEPS, &prefix, &after, ROWS)
            .await?;
        found.iter().map(|found| parsed(&found.value)).collect()
    }

    /// Asks for a full run, which starts within seconds whatever the interval is, and returns it. If a run has not ended,
    /// the request joins that one.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn ask(&self, by: &str, at: DateTime<Utc>) -> Result<Run, StoreError> {
        self.request(at, |run| {
            run.asked_by.insert(by.to_owned());
        })
        .await
    }

    /// Approves the plan of a blocked run, and returns a new run, which plans again and applies the plan only if it is
    /// still the same.
    ///
    /// # Errors
    /// - [`StoreError::Invalid`]: the run is not blocked, or was rejected, or another run has not ended
    /// - [`StoreError::NotFound`]: there is no such run
    /// - a [failure](StoreError::is_failure) of the store
    pub async fn approve(&self, id: RunId, by: &str, at: DateTime<Utc>) -> Result<Run, StoreError> {
        let blocked = self.blocked(id).await?;
        let hash = blocked.summary.map(|summary| summary.hash);
        let approved = self
            .request(at, |run| {
                if run.state == RunState::Pending && run.asked_by.is_empty() {
                    run.approved_hash = hash.clone();
                    run.connections = blocked.connections.clone();
                    run.scope = blocked.scope;
                    run.asked_by.insert(by.to_owned());
                }
            })
            .await?;
        if approved.approved_hash != hash {
            return Err(invalid(format!("run {} has not ended", approved.id)));
        }
        Ok(approved)
    }

    /// Rejects the plan of a blocked run, which can't be approved any more.
    ///
    /// # Errors
    /// - [`StoreError::Invalid`]: the run is not blocked, or was rejected
    /// - [`StoreError::NotFound`]: there is no such run
    /// - a [failure](StoreError::is_failure) of the store
    pub async fn reject(&self, id: RunId, by: &str) -> Result<Run, StoreError> {
        let mut run = self.blocked(id).await?;
        let before = json(&run)?;
        run.rejected_by = Some(by.to_owned());
        if self.replace(&run, &before).await? {
            Ok(run)
        } else {
            Err(invalid(format!("run {id} was changed at the same time")))
        }
    }

    async fn blocked(&self, id: RunId) -> Result<Run, StoreError> {
        let run = self.run(id).await?.ok_or(StoreError::NotFound)?;
        if run.state != RunState::Blocked {
            let state = run.state;
            return Err(invalid(format!("run {id} is not blocked: it is {state}")));
        }
        match &run.rejected_by {
            Some(by) => Err(invalid(format!("run {id} was rejected by {by}"))),
            None => Ok(run),
        }
    }

    /// Changes the run that has not ended, or a new pending one.
    async fn request(
        &self,
        at: DateTime<Utc>,
        change: impl Fn(&mut Run),
    ) -> Result<Run, StoreError> {
        for _ in 0..RACES {
            let last = self.runs(1).await?.pop();
            if let Some(active) = last.as_ref().filter(|run| run.state.is_active()) {
                let before = json(active)?;
                let mut run = active.clone();
                change(&mut run);
                if self.replace(&run, &before).await? {
                    return Ok(run);
                }
                continue;
            }
            let id = RunId(last.map_or(0, |last| last.id.0) + 1);
            let mut run = Run::new(id, RunState::Pending, PlanScope::Full, at);
            change(&mut run);
            if self.add(&run).await? {
                return Ok(run);
            }
        }
        Err(invalid("other requests keep winning the race".to_owned()))
    }

    /// Returns the backup of the directory that was made before the first live run, as CSV: id, whether the user is
    /// archived, and each field. None if no live run has begun.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn backup(&self) -> Result<Option<String>, StoreError> {
        let pieces = self.all(BACKUP, "").await?;
        let text: String = pieces.iter().map(|piece| piece.value.as_str()).collect();
        Ok((!pieces.is_empty()).then_some(text))
    }

    /// Stores the backup of the directory, in place of an earlier one.
    pub(super) async fn put_backup(&self, text: &str) -> Result<(), StoreError> {
        self.values
            .remove_key_values(&self.tenant, BACKUP, "")
            .await?;
        let mut rest = text;
        let mut number = 0_u32;
        while !rest.is_empty() {
            let end = (0..=PIECE.min(rest.len()))
                .rev()
                .find(|at| rest.is_char_boundary(*at));
            let (piece, next) = rest.split_at(end.unwrap_or(rest.len()));
            let put = KeyValueEdit::put(BACKUP, format!("{number:06}"), piece);
            self.values.edit_key_values(&self.tenant, &[put]).await?;
            rest = next;
            number += 1;
        }
        Ok(())
    }

    /// Returns the exemptions.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn exemptions(&self) -> Result<Exemptions, StoreError> {
        let mut exemptions = Exemptions::default();
        for found in self.all(EXEMPTIONS, "").await? {
            match found.key.split_once('/') {
                Some(("id", id)) => exemptions.add_bound(ResourceId::from(id), found.value),
                Some(("email", email)) => exemptions.add_pending(email.to_owned()),
                _ => {}
            }
        }
        Ok(exemptions)
    }

    /// Replaces the exemptions by others that were made of them.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if they were changed at the same time, or a [failure](StoreError::is_failure) of the
    /// store.
    pub async fn put_exemptions(
        &self,
        before: &Exemptions,
        after: &Exemptions,
    ) -> Result<(), StoreError> {
        let before = exemption_rows(before);
        let after = exemption_rows(after);
        let mut edits = Vec::new();
        for (key, value) in &before {
            if after.get(key) != Some(value) {
                edits.push(KeyValueEdit::remove(EXEMPTIONS, key).if_value(value));
            }
        }
        for (key, value) in &after {
            if before.get(key) != Some(value) {
                let put = KeyValueEdit::put(EXEMPTIONS, key, value);
                edits.push(match before.get(key) {
                    Some(before) => put.if_value(before),
                    None => put.if_missing(),
                });
            }
        }
        if self.values.edit_key_values(&self.tenant, &edits).await? {
            Ok(())
        } else {
            Err(invalid(
                "the exemptions were changed at the same time".to_owned(),
            ))
        }
    }

    /// Returns all links.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn links(&self) -> Result<Vec<Link>, StoreError> {
        let found = self.all(LINKS, "").await?;
        found.iter().map(|found| parsed(&found.value)).collect()
    }

    /// Returns the link of a source.
    ///
    /// # Errors
    /// A [failure](StoreError::is_failure) of the store.
    pub async fn link(&self, source: &LinkSource) -> Result<Option<Link>, StoreError> {
        let text = self.text(LINKS, link_key(source)).await?;
        text.as_deref().map(parsed).transpose()
    }

    /// Returns the links of sources, in their order.
    pub(super) async fn links_of(
        &self,
        sources: impl Iterator<Item = LinkSource>,
    ) -> Result<Vec<Option<Link>>, StoreError> {
        let keys: Vec<_> = sources.map(|source| link_key(&source)).collect();
        let found = self
            .values
            .key_values_of(&self.tenant, LINKS, &keys)
            .await?;
        let link = |text: &Option<String>| text.as_deref().map(parsed).transpose();
        found.iter().map(link).collect()
    }

    /// Adds a run, unless there is one with its id.
    pub(super) async fn add(&self, run: &Run) -> Result<bool, StoreError> {
        let put = KeyValueEdit::put(RUNS, run_key(run.id), json(run)?).if_missing();
        self.values.edit_key_values(&self.tenant, &[put]).await
    }

    /// Replaces a run, if it is stored as it was.
    async fn replace(&self, run: &Run, before: &str) -> Result<bool, StoreError> {
        let put = KeyValueEdit::put(RUNS, run_key(run.id), json(run)?).if_value(before);
        self.values.edit_key_values(&self.tenant, &[put]).await
    }

    /// Changes a run, whoever else changes it, as long as the lease with that fence has it.
    pub(super) async fn update(
        &self,
        run: &mut Run,
        fence: u64,
        change: impl Fn(&mut Run),
    ) -> Result<(), StoreError> {
        for _ in 0..RACES {
            let stored = self.text(RUNS, run_key(run.id)).await?;
            let stored = stored.ok_or(StoreError::LeaseLost)?;
            let held = self.progress(run.id).await?;
            let held = held.filter(|held| held.fence == fence);
            let held = held.ok_or(StoreError::LeaseLost)?;
            *run = parsed(&stored)?;
            change(run);
            let edits = [
                KeyValueEdit::put(RUNS, run_key(run.id), json(run)?).if_value(stored),
                KeyValueEdit::put(PROGRESS, run_key(run.id), held.text()).if_value(held.text()),
            ];
            if self.values.edit_key_values(&self.tenant, &edits).await? {
                return Ok(());
            }
        }
        Err(StoreError::LeaseLost)
    }

    /// Takes a run under a lease, and returns how far it was carried out.
    pub(super) async fn take(&self, id: RunId, fence: u64) -> Result<Progress, StoreError> {
        let before = self.progress(id).await?;
        let taken = Progress {
            applied: before.map_or(0, |before| before.applied),
            fence,
        };
        let put = KeyValueEdit::put(PROGRESS, run_key(id), taken.text());
        let put = match before {
            Some(before) => put.if_value(before.text()),
            None => put.if_missing(),
        };
        if self.values.edit_key_values(&self.tenant, &[put]).await? {
            Ok(taken)
        } else {
            Err(StoreError::LeaseLost)
        }
    }

    /// Returns how far a run was carried out.
    pub(super) async fn progress(&self, id: RunId) -> Result<Option<Progress>, StoreError> {
        let text = self.text(PROGRESS, run_key(id)).await?;
        Ok(text.as_deref().and_then(Progress::parse))
    }

    /// Stores the steps of a run, instead of those of an earlier attempt to plan.
    pub(super) async fn put_steps(&self, id: RunId, steps: &[Step]) -> Result<(), StoreError> {
        let prefix = format!("{}/", run_key(id));
        self.values
            .remove_key_values(&self.tenant, STEPS, &prefix)
            .await?;
        let mut index = 0;
        for chunk in steps.chunks(500) {
            let mut edits = Vec::new();
            for step in chunk {
                edits.push(KeyValueEdit::put(STEPS, step_key(id, index), json(step)?));
                index += 1;
            }
            self.values.edit_key_values(&self.tenant, &edits).await?;
        }
        Ok(())
    }

    /// Records that the next step was carried out: its links, its row with the index `rejected` if the directory
    /// rejected it, and the progress, at one moment.
    pub(super) async fn record(
        &self,
        id: RunId,
        progress: &mut Progress,
        step: &Step,
        created: Option<&ResourceId>,
        rejected: Option<u64>,
    ) -> Result<(), StoreError> {
        let next = Progress {
            applied: progress.applied + 1,
            fence: progress.fence,
        };
        let mut edits =
            vec![KeyValueEdit::put(PROGRESS, run_key(id), next.text()).if_value(progress.text())];
        if let Some(index) = rejected {
            edits.push(KeyValueEdit::put(STEPS, step_key(id, index), json(step)?));
        }
        for edit in &step.links {
            edits.extend(link_edit(step, edit, created)?);
        }
        if self.values.edit_key_values(&self.tenant, &edits).await? {
            *progress = next;
            Ok(())
        } else {
            Err(StoreError::LeaseLost)
        }
    }

    /// Removes the rows of the oldest runs beyond the limit.
    pub(super) async fn forget_old(&self) -> Result<(), StoreError> {
        let newest = self
            .values
            .key_values(&self.tenant, RUNS, "", "", ROWS)
            .await?;
        for old in newest.into_iter().skip(KEPT_RUNS) {
            let prefix = format!("{}/", old.key);
            self.values
                .remove_key_values(&self.tenant, STEPS, &prefix)
                .await?;
            let edits = [
                KeyValueEdit::remove(PROGRESS, &old.key),
                KeyValueEdit::remove(RUNS, &old.key),
            ];
            self.values.edit_key_values(&self.tenant, &edits).await?;
        }
        Ok(())
    }

    async fn text(&self, collection: &str, key: String) -> Result<Option<String>, StoreError> {
        let keys = [key];
        let found = self
            .values
            .key_values_of(&self.tenant, collection, &keys)
            .await?;
        Ok(found.into_iter().next().flatten())
    }

    async fn all(&self, collection: &str, prefix: &str) -> Result<Vec<KeyValue>, StoreError> {
        let mut all: Vec<KeyValue> = Vec::new();
        loop {
            let after = all.last().map(|last| last.key.clone()).unwrap_or_default();
            let page = self
                .values
                .key_values(&self.tenant, collection, prefix, &after, ROWS)
                .await?;
            let is_last = page.len() < usize::try_from(ROWS).unwrap_or(usize::MAX);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }
}

/// Returns the edit of the row of a link.
fn link_edit(
    step: &Step,
    edit: &LinkEdit,
    created: Option<&ResourceId>,
) -> Result<Option<KeyValueEdit>, StoreError> {
    Ok(match edit {
        LinkEdit::Create { fields, source } => {
            let Some(target) = created else {
                return Ok(None);
            };
            let mut link = Link::new(step.connection.clone(), source.clone(), target.clone());
            link.fields.clone_from(fields);
            link.is_created = true;
            Some(KeyValueEdit::put(LINKS, link_key(source), json(&link)?))
        }
        LinkEdit::Put(link) => Some(KeyValueEdit::put(
            LINKS,
            link_key(&link.source),
            json(link)?,
        )),
        LinkEdit::Remove(source) => Some(KeyValueEdit::remove(LINKS, link_key(source))),
    })
}

fn exemption_rows(exemptions: &Exemptions) -> BTreeMap<String, String> {
    let bound = exemptions.bound();
    let bound = bound.map(|(id, email)| (format!("id/{id}"), email.to_owned()));
    let pending = exemptions.pending();
    let pending = pending.map(|email| (format!("email/{email}"), String::new()));
    bound.chain(pending).collect()
}

fn invalid(detail: String) -> StoreError {
    StoreError::Invalid { detail }
}
