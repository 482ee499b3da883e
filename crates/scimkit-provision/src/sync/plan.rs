//! Plans: which steps make the directory agree with the provisioned state.

mod delivered;
mod groups;
mod input;
mod relations;
mod seats;
mod users;

use std::collections::BTreeMap;

use scimkit_store::ConnectionId;

pub use self::input::{ExemptionBinding, PlanInput};
use super::{
    counts::{ConnectionCounts, SeatForecast},
    exemptions::Exemptions,
    rules::PlanSettings,
    step::{PlanHash, PlanHasher, Step},
};

/// The steps that make the directory agree with the provisioned state.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The pending exemptions that can be bound to a user of the directory.
    pub bindings: Vec<ExemptionBinding>,
    /// The counts for each connection that the plan covers.
    pub counts: BTreeMap<ConnectionId, ConnectionCounts>,
    /// The hash of the steps.
    pub hash: PlanHash,
    /// The seats, if the directory limits them.
    pub seats: Option<SeatForecast>,
    /// The steps in the order of their keys. Users and groups that are as they should be have none, unless a link
    /// changes.
    pub steps: Vec<Step>,
}

/// Plans the steps that make the directory agree with the provisioned state. It is a pure function, and its result does
/// not depend on the order of the users, groups and links.
///
/// - A user belongs to the one of the directory that it is linked to, otherwise to the one that matches. If several
///   match, or if several of the provisioned state belong to one, they are rejected with their names.
/// - A user is archived if it is inactive, or if its identity provider deleted it. A user that nobody delivered is
///   archived only by a full plan and an authoritative connection: see [`Absence`](super::Absence).
/// - Users that are exempt are never changed; those that the directory protects are never archived.
/// - An inactive user that is not in the directory is not created.
/// - A field that was never sent is kept, one whose value was taken away is cleared.
/// - If the directory limits the number of active users, the first creates by id get the free seats.
/// - A group that the identity provider deleted is removed if a run created it, otherwise emptied. An empty derived
///   group stays.
///
/// # Example
/// ```
/// use scimkit_mapping::{Mapping, MappingRule};
/// use scimkit_provision::sync::{
///     Category, ConnectionRules, DeliveredFields, DirectoryUser, Exemptions, PlanInput, PlanSettings, StateUser, plan,
/// };
/// use scimkit_registry::{Registry, Tolerance};
/// use scimkit_store::ConnectionId;
/// use serde_json::json;
///
/// let registry = Registry::standard();
/// let mapping = Mapping::builder()
///     .rule("User", MappingRule::new("userName").with_field("email"))
///     .rule("User", MappingRule::new("title").with_field("job_title"))
///     .build(&registry)?;
/// let rules = ConnectionRules::new(DeliveredFields::new(mapping.for_type("User").unwrap()));
///
/// let entra = ConnectionId::from("entra");
/// let body = json!({"userName": "Babs@example.com", "title": "Director"});
/// let user = registry.resource_type("User").unwrap().admit(body, &Tolerance::DEFAULT)?;
/// let babs = StateUser::new(entra.clone(), &rules, "2819c223".into(), &user);
/// let existing = json!({"email": "Babs@example.com", "job_title": "Manager", "desk": "4.17"});
///
/// let mut input = PlanInput::default();
/// input.users.push(babs);
/// input.directory_users.push(DirectoryUser::new("7".into(), existing.as_object().unwrap().clone()));
/// let settings = PlanSettings::new().with_connection(entra, rules);
/// let plan = plan(&input, &settings, &Exemptions::default());
///
/// let [step] = &plan.steps[..] else { panic!() };
/// assert_eq!(step.category, Category::Changed);
/// assert_eq!(step.differences.len(), 1);
/// assert_eq!(step.differences[0].before, Some(json!("Manager")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn plan(input: &PlanInput, settings: &PlanSettings, exemptions: &Exemptions) -> Plan {
    let mut counts: BTreeMap<_, _> = settings
        .connections
        .keys()
        .map(|connection| (connection.clone(), ConnectionCounts::default()))
        .collect();
    let mut users = users::plan_users(input, settings, exemptions, &mut counts);
    users.steps.sort_by(|a, b| a.key.cmp(&b.key));
    let seats = settings
        .capacity
        .map(|capacity| seats::assign(capacity, input, &mut users));
    let groups = groups::plan_groups(input, settings, &users, &mut counts);
    let mut steps = users.steps;
    steps.extend(groups);
    steps.sort_by(|a, b| a.key.cmp(&b.key));
    let mut hasher = PlanHasher::default();
    for step in &steps {
        hasher.add(step);
        if let Some(counts) = counts.get_mut(&step.connection) {
            counts.add_step(step);
        }
    }
    for counts in counts.values_mut() {
        counts.losses.sort();
    }
    users.bindings.sort();
    Plan {
        bindings: users.bindings,
        counts,
        hash: hasher.hash(),
        seats,
        steps,
    }
}
