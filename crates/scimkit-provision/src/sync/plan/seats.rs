//! The seats of a directory that limits the number of its active users.

use std::collections::BTreeSet;

use super::{input::PlanInput, users::UserSteps};
use crate::sync::{
    counts::SeatForecast,
    step::{Action, Category, Named, Reason, StepSource},
};

/// Gives the free seats to the first creates and restores by key, and rejects the others. Users that the plan archives
/// leave their seats.
pub(super) fn assign(capacity: u64, input: &PlanInput, users: &mut UserSteps<'_>) -> SeatForecast {
    let users_now = input.directory_users.iter();
    let active: BTreeSet<_> = users_now
        .filter(|user| !user.is_archived)
        .map(|user| &user.id)
        .collect();
    let leaves = users.steps.iter().filter(|step| {
        let is_leaving = matches!(step.action, Action::Archive | Action::Remove);
        is_leaving && step.target.as_ref().is_some_and(|id| active.contains(id))
    });
    let leaves = leaves.count() as u64;
    let active = active.len() as u64;
    let mut forecast = active.saturating_sub(leaves);
    let mut rejected = Vec::new();
    for step in &mut users.steps {
        if !matches!(step.action, Action::Create | Action::Restore) {
            continue;
        }
        if forecast < capacity {
            forecast += 1;
            continue;
        }
        step.action = Action::None;
        step.category = Category::Rejected;
        step.links.clear();
        step.reason = Some(Reason::NoSeat);
        if let StepSource::State(id) = &step.key.source {
            rejected.push(Named {
                id: id.clone(),
                name: step.name.clone(),
            });
            if step.target.is_none() {
                users.targets.remove(id);
            }
        }
    }
    SeatForecast {
        active,
        capacity,
        forecast,
        rejected,
    }
}
