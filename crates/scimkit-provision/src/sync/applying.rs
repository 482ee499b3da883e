//! Carries out the steps of a run.

use std::future::Future;

use blake2::{Blake2b256, Digest as _};
use scimkit_mapping::Record;
use scimkit_registry::ResourceId;
use scimkit_store::StoreError;
use serde_json::Value;

use super::{
    directory::{Directory, DirectoryChange, DirectoryError, StepId},
    fields::Difference,
    link::LinkSource,
    run::RunId,
    run_store::{Progress, RunStore},
    step::{Action, Category, MemberChange, Reason, Step, StepSource, StepSubject},
};

/// Why the steps of a run were not all carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Interruption {
    #[error("{0}")]
    Directory(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runner stops; another one goes on.
    #[error("the runner was stopped")]
    Stopped,
}

impl From<DirectoryError> for Interruption {
    fn from(error: DirectoryError) -> Self {
        Interruption::Directory(error.to_string())
    }
}

/// The order in which steps are carried out: seats are freed before they are taken, and users exist before they become
/// members.
fn phase(step: &Step) -> u8 {
    match (step.key.subject, step.action) {
        (StepSubject::User, Action::Archive | Action::Remove | Action::None) => 0,
        (StepSubject::User, Action::Update) => 1,
        (StepSubject::User, Action::Restore) => 2,
        (StepSubject::User, _) => 3,
        (StepSubject::Group, _) => 4,
        (StepSubject::Membership, _) => 5,
    }
}

/// The indexes of the steps with an effect, in the order in which they are carried out.
fn order(steps: &[Step]) -> Vec<usize> {
    let mut order: Vec<_> = (0..steps.len())
        .filter(|index| steps.get(*index).is_some_and(Step::has_effect))
        .collect();
    order.sort_by_key(|index| steps.get(*index).map(phase));
    order
}

/// Carries out the steps of one run.
pub(super) struct Application<'a> {
    pub(super) directory: &'a dyn Directory,
    pub(super) run: RunId,
    pub(super) runs: &'a RunStore,
    /// The name of the tenant in the ids of steps.
    pub(super) tenant: &'a str,
}

/// Extends the lease of a runner while it works.
pub(super) trait Keeper {
    /// # Errors
    /// Another runner has the lease, or this one stops.
    fn keep(&mut self) -> impl Future<Output = Result<(), Interruption>> + Send;
}

impl Application<'_> {
    /// Carries out the steps after those that were.
    pub(super) async fn apply(
        &self,
        steps: &mut [Step],
        mut progress: Progress,
        keeper: &mut impl Keeper,
    ) -> Result<(), Interruption> {
        // The step after the progress may have been carried out before a crash.
        let mut is_repeated = true;
        let skipped = usize::try_from(progress.applied).unwrap_or(usize::MAX);
        for index in order(steps).into_iter().skip(skipped) {
            keeper.keep().await?;
            let Some(step) = steps.get_mut(index) else {
                continue;
            };
            let id = self.step_id(step, is_repeated);
            is_repeated = false;
            let (created, rejected) = match self.carry_out(&id, step).await {
                Ok(created) => (created, None),
                Err(DirectoryError::Unavailable(problem)) => {
                    return Err(DirectoryError::Unavailable(problem).into());
                }
                Err(DirectoryError::Rejected(problem)) => {
                    step.action = Action::None;
                    step.category = Category::Rejected;
                    step.links.clear();
                    step.reason = Some(Reason::Directory(problem));
                    (None, u64::try_from(index).ok())
                }
            };
            self.runs
                .record(self.run, &mut progress, step, created.as_ref(), rejected)
                .await?;
        }
        Ok(())
    }

    fn step_id(&self, step: &Step, is_repeated: bool) -> StepId {
        let text = format!("{}/{}/{}", self.tenant, self.run, step.key);
        let digest: [u8; 32] = Blake2b256::digest(text).into();
        let id = StepId::new(
            digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        );
        if is_repeated { id.repeated() } else { id }
    }

    async fn carry_out(
        &self,
        id: &StepId,
        step: &Step,
    ) -> Result<Option<ResourceId>, DirectoryError> {
        match self.change(step).await? {
            Some(change) => self.directory.apply(id, &change).await,
            None => Ok(None),
        }
    }

    /// Returns the change of a step; none if nothing changes in the directory.
    async fn change(&self, step: &Step) -> Result<Option<DirectoryChange>, DirectoryError> {
        if step.key.subject == StepSubject::Membership {
            return self.member_change(step).await;
        }
        let is_user = step.key.subject == StepSubject::User;
        let differences = || step.differences.clone();
        let target = || {
            let missing = || DirectoryError::Rejected("it has no id in the directory".to_owned());
            step.target.clone().ok_or_else(missing)
        };
        Ok(Some(match (step.action, is_user) {
            (Action::None | Action::ChangeMembers, _) => return Ok(None),
            (Action::Archive, _) => DirectoryChange::ArchiveUser(target()?),
            (Action::Create, true) => DirectoryChange::CreateUser(record(&step.differences)),
            (Action::Create, false) => DirectoryChange::CreateGroup(record(&step.differences)),
            (Action::Remove, true) => DirectoryChange::RemoveUser(target()?),
            (Action::Remove, false) => DirectoryChange::RemoveGroup(target()?),
            (Action::Restore, _) => DirectoryChange::RestoreUser {
                id: target()?,
                differences: differences(),
            },
            (Action::Update, true) => DirectoryChange::UpdateUser {
                id: target()?,
                differences: differences(),
            },
            (Action::Update, false) => DirectoryChange::UpdateGroup {
                id: target()?,
                differences: differences(),
            },
        }))
    }

    /// Returns the change of members, with the ids of users and groups that earlier steps have created.
    async fn member_change(&self, step: &Step) -> Result<Option<DirectoryChange>, DirectoryError> {
        let failed = |error: StoreError| DirectoryError::Unavailable(error.to_string());
        let group = match (&step.target, &step.key.source) {
            (Some(target), _) => Some(target.clone()),
            (None, StepSource::State(id)) => {
                let link = self.runs.link(&LinkSource::Group(id.clone())).await;
                link.map_err(failed)?.map(|link| link.target)
            }
            (None, StepSource::Value(value)) => {
                let link = self.runs.link(&LinkSource::Value(value.clone())).await;
                link.map_err(failed)?.map(|link| link.target)
            }
            (None, StepSource::Directory(id)) => Some(id.clone()),
        };
        // The directory has rejected the group.
        let Some(group) = group else {
            let problem = "the group could not be created".to_owned();
            return Err(DirectoryError::Rejected(problem));
        };
        let mut added = Vec::new();
        let mut created = Vec::new();
        let mut removed = Vec::new();
        for member in &step.members {
            match member {
                MemberChange::Add {
                    target: Some(id), ..
                } => added.push(id.clone()),
                MemberChange::Add { user, target: None } => {
                    created.push(LinkSource::User(user.clone()));
                }
                MemberChange::Remove(id) => removed.push(id.clone()),
            }
        }
        // A user that the directory has rejected has no link, and becomes no member.
        let links = self.runs.links_of(created.into_iter()).await;
        let links = links.map_err(failed)?.into_iter().flatten();
        added.extend(links.map(|link| link.target));
        Ok(Some(DirectoryChange::ChangeMembers {
            group,
            added,
            removed,
        }))
    }
}

/// The record of a create.
fn record(differences: &[Difference]) -> Record {
    let value = |difference: &Difference| {
        let value = difference.after.clone().unwrap_or(Value::Null);
        (difference.field.clone(), value)
    };
    differences.iter().map(value).collect()
}
