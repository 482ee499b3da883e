//! Restricts a plan to what the identity provider has changed.

use std::collections::BTreeSet;

use scimkit_registry::ResourceId;

use super::{
    link::{Link, LinkSource},
    plan::Plan,
    step::{Category, MemberChange, PlanHasher, Step, StepSource, StepSubject},
};

/// The users and groups of the provisioned state that have changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) groups: BTreeSet<ResourceId>,
    pub(super) users: BTreeSet<ResourceId>,
}

/// Removes the steps of users, groups and members that have not changed. So local edits of them stay, and are not seen.
pub(super) fn restrict(plan: &mut Plan, changed: &Changed, links: &[Link]) {
    let of_changed = |link: &&Link| match &link.source {
        LinkSource::User(id) => changed.users.contains(id),
        LinkSource::Group(_) | LinkSource::Value(_) => false,
    };
    let targets: BTreeSet<_> = links
        .iter()
        .filter(of_changed)
        .map(|link| &link.target)
        .collect();
    let is_whole = |step: &Step| match &step.key.source {
        StepSource::State(id) => match step.key.subject {
            StepSubject::User => changed.users.contains(id),
            StepSubject::Group | StepSubject::Membership => changed.groups.contains(id),
        },
        // What the identity provider deleted, and groups that follow from users.
        StepSource::Directory(_) => true,
        StepSource::Value(_) => step.key.subject != StepSubject::Membership,
    };
    plan.steps.retain_mut(|step| {
        if is_whole(step) {
            return true;
        }
        if step.key.subject != StepSubject::Membership {
            return false;
        }
        step.members.retain(|member| match member {
            MemberChange::Add { user, .. } => changed.users.contains(user),
            MemberChange::Remove(id) => targets.contains(id),
        });
        !step.members.is_empty()
    });
    let lost: BTreeSet<_> = plan
        .steps
        .iter()
        .filter(|step| step.key.subject == StepSubject::Membership && is_whole(step))
        .map(|step| step.name.clone())
        .collect();
    let mut hasher = PlanHasher::default();
    for counts in plan.counts.values_mut() {
        counts.forget_steps();
        counts.losses.retain(|loss| lost.contains(&loss.name));
    }
    for step in &plan.steps {
        hasher.add(step);
        if let Some(counts) = plan.counts.get_mut(&step.connection)
            && step.category != Category::Unchanged
        {
            counts.add_step(step);
        }
    }
    plan.hash = hasher.hash();
}
