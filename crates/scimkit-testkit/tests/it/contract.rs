//! The contract, and proof that it detects a store that breaks it.

use std::sync::Arc;

use chrono::TimeDelta;
use scimkit_registry::{Edge, Predicate, ResourceId, ResourceType};
use scimkit_store::{
    Batch, BoxFuture, CyclePolicy, DeletePolicy, EdgeQuery, ExpectedVersion, Intent, MemoryStore,
    OnFailure, Page, PageStart, Query, ReadOptions, RequestContext, Store, StoreError,
    StoredResource, WriteOp, Written,
};
use scimkit_testkit::contract;

#[test]
fn memory_keeps_the_contract() {
    contract::check(|| Arc::new(MemoryStore::new()), &contract::block_on).unwrap();
}

#[test]
fn names_are_distinct() {
    let mut names: Vec<_> = contract::checks()
        .iter()
        .map(contract::StoreCheck::name)
        .collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// A memory store with one fault.
#[derive(Debug)]
struct Faulty(Fault, MemoryStore);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    AcceptsCycles,
    ChecksWithoutEdges,
    MatchesAnything,
    CountsThePage,
    ErasesAlways,
    ForgetsClaims,
    ForgetsKinds,
    ForgetsRoles,
    ForgetsTheDormant,
    ForgetsTheSort,
    ForgetsWhatWasSent,
    ForgetsWhereAPageBegins,
    ForgetsWhoAsks,
    IgnoresExpectations,
    IgnoresFilters,
    IgnoresRules,
    MixesTenants,
    PagesByTheKeyAlone,
    SkipsOnePage,
    StartsAgain,
    StopsEarly,
    TellsAnEarlierTime,
}

impl Faulty {
    fn context(&self, context: &RequestContext) -> RequestContext {
        let mut context = context.clone();
        match self.0 {
            Fault::AcceptsCycles => {
                Arc::make_mut(&mut context.settings).policy.cycles = CyclePolicy::Accept
            }
            Fault::ErasesAlways => {
                Arc::make_mut(&mut context.settings).policy.delete_policy = DeletePolicy::Permanent
            }
            Fault::ForgetsRoles => Arc::make_mut(&mut context.settings).policy.roles = None,
            Fault::MixesTenants => context.tenant = Default::default(),
            _ => {}
        }
        context
    }
}

impl Store for Faulty {
    pass_on!(1: support);

    fn edges<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a EdgeQuery,
    ) -> BoxFuture<'a, Result<Vec<Vec<Edge>>, StoreError>> {
        Box::pin(async move {
            let mut query = query.clone();
            if self.0 == Fault::ForgetsWhereAPageBegins {
                query.after = None;
            }
            let mut edges = self.1.edges(&self.context(context), &query).await?;
            if self.0 == Fault::ForgetsKinds {
                edges.iter_mut().flatten().for_each(|edge| edge.kind = None);
            }
            Ok(edges)
        })
    }

    fn query<'a>(
        &'a self,
        context: &'a RequestContext,
        query: &'a Query,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let mut query = query.clone();
            match self.0 {
                Fault::ForgetsTheSort => query.sort = None,
                Fault::IgnoresFilters => query.predicate = None,
                Fault::PagesByTheKeyAlone => {
                    if let PageStart::After(place) = &mut query.start {
                        place.id = ResourceId::from("\u{10ffff}");
                    }
                }
                Fault::SkipsOnePage => {
                    if let PageStart::Index(start @ 1..) = &mut query.start {
                        *start += 1;
                    }
                }
                Fault::StartsAgain if matches!(query.start, PageStart::After(_)) => {
                    query.start = PageStart::Index(0);
                }
                _ => {}
            }
            let mut page = self.1.query(&self.context(context), &query).await?;
            match self.0 {
                Fault::CountsThePage => page.total = Some(page.items.len() as u64),
                Fault::StopsEarly => page.next = None,
                _ => {}
            }
            Ok(page)
        })
    }

    fn read<'a>(
        &'a self,
        context: &'a RequestContext,
        kind: &'a Arc<ResourceType>,
        id: &'a ResourceId,
        want: &'a ReadOptions,
    ) -> BoxFuture<'a, Result<StoredResource, StoreError>> {
        Box::pin(async move {
            let mut stored = self.1.read(&self.context(context), kind, id, want).await?;
            if self.0 == Fault::TellsAnEarlierTime {
                stored.last_modified -= TimeDelta::seconds(1);
            }
            Ok(stored)
        })
    }

    fn write<'a>(
        &'a self,
        context: &'a RequestContext,
        mut batch: Batch,
    ) -> BoxFuture<'a, Result<Vec<Result<Written, StoreError>>, StoreError>> {
        if self.0 == Fault::ForgetsWhoAsks {
            batch.cause = scimkit_store::Cause::application();
        }
        if self.0 == Fault::IgnoresRules {
            batch.on_failure = OnFailure::Continue;
        }
        for write in &mut batch.writes {
            match (&mut *write, self.0) {
                (WriteOp::Create { existing_match, .. }, Fault::ForgetsClaims) => {
                    *existing_match = None
                }
                (
                    WriteOp::Create {
                        existing_match: Some(existing_match),
                        ..
                    },
                    fault,
                ) => match fault {
                    Fault::MatchesAnything => existing_match.predicate = Predicate::All(Vec::new()),
                    Fault::ForgetsTheDormant => existing_match.deactivated = None,
                    Fault::ForgetsWhatWasSent => existing_match.sent = None,
                    _ => {}
                },
                _ => {}
            }
            if let (WriteOp::Update { expect, .. }, Fault::IgnoresExpectations) = (write, self.0) {
                *expect = ExpectedVersion::Any;
            }
        }
        let hides_edges = self.0 == Fault::ChecksWithoutEdges && batch.intent == Intent::Check;
        Box::pin(async move {
            let mut answers = self.1.write(&self.context(context), batch).await?;
            if hides_edges {
                let written = answers.iter_mut().flatten();
                let stored = written.filter_map(|written| written.stored.as_mut());
                stored.for_each(|stored| stored.edges.clear());
            }
            Ok(answers)
        })
    }
}

#[test]
fn each_faulty_store_is_detected() {
    let faults = [
        (Fault::AcceptsCycles, "group_as_its_own_member_is_rejected"),
        (Fault::AcceptsCycles, "deleting_a_group_breaks_its_cycle"),
        (
            Fault::ChecksWithoutEdges,
            "check_and_commit_return_the_same_answers",
        ),
        (
            Fault::AcceptsCycles,
            "cycle_through_a_later_group_is_rejected",
        ),
        (Fault::AcceptsCycles, "membership_cycles_are_rejected"),
        (Fault::AcceptsCycles, "one_of_parallel_opposite_edges_wins"),
        (
            Fault::AcceptsCycles,
            "one_of_parallel_edges_of_a_cycle_is_rejected",
        ),
        (Fault::AcceptsCycles, "random_writes_match_the_model"),
        (
            Fault::MatchesAnything,
            "match_by_unindexed_attributes_is_exact",
        ),
        (Fault::CountsThePage, "pages_are_ordered_by_id"),
        (Fault::CountsThePage, "random_queries_are_answered_exactly"),
        (
            Fault::ErasesAlways,
            "create_restores_a_soft_deleted_resource",
        ),
        (Fault::ErasesAlways, "last_soft_deleted_match_is_restored"),
        (Fault::ErasesAlways, "soft_deleted_resource_is_not_found"),
        (
            Fault::ForgetsClaims,
            "create_adopts_a_resource_without_an_owner",
        ),
        (
            Fault::ForgetsClaims,
            "create_restores_a_soft_deleted_resource",
        ),
        (Fault::ForgetsClaims, "one_of_parallel_creates_adopts"),
        (
            Fault::ForgetsClaims,
            "create_is_rejected_if_several_resources_match",
        ),
        (
            Fault::ForgetsWhoAsks,
            "create_does_not_adopt_a_resource_with_an_owner",
        ),
        (Fault::ForgetsWhoAsks, "one_of_parallel_creates_adopts"),
        (Fault::ForgetsKinds, "edges_show_the_current_target"),
        (
            Fault::ForgetsTheDormant,
            "create_takes_over_a_deactivated_user",
        ),
        (
            Fault::ForgetsWhatWasSent,
            "adoption_sets_only_the_sent_attributes",
        ),
        (Fault::ForgetsTheSort, "random_queries_are_answered_exactly"),
        (Fault::ForgetsTheSort, "resources_are_sorted"),
        (Fault::ForgetsWhereAPageBegins, "edges_are_paged"),
        (Fault::IgnoresExpectations, "unexpected_version_is_rejected"),
        (
            Fault::IgnoresExpectations,
            "one_of_parallel_updates_of_a_version_wins",
        ),
        (Fault::IgnoresExpectations, "random_writes_match_the_model"),
        (Fault::IgnoresFilters, "filters_match_members_as_returned"),
        (
            Fault::IgnoresFilters,
            "filters_match_attributes_as_returned",
        ),
        (Fault::IgnoresFilters, "random_queries_are_answered_exactly"),
        (
            Fault::IgnoresRules,
            "batch_stops_after_the_given_number_of_failures",
        ),
        (
            Fault::IgnoresRules,
            "failed_batch_is_rolled_back_as_a_whole",
        ),
        (
            Fault::IgnoresRules,
            "random_batches_equal_their_single_writes",
        ),
        (Fault::MixesTenants, "tenants_are_isolated"),
        (
            Fault::PagesByTheKeyAlone,
            "paging_between_writes_misses_and_repeats_nothing",
        ),
        (
            Fault::PagesByTheKeyAlone,
            "paging_during_parallel_writes_misses_and_repeats_nothing",
        ),
        (Fault::PagesByTheKeyAlone, "page_continues_after_a_position"),
        (Fault::SkipsOnePage, "pages_are_ordered_by_id"),
        (Fault::StartsAgain, "page_continues_after_a_position"),
        (Fault::StartsAgain, "position_is_valid_without_its_resource"),
        (Fault::ForgetsRoles, "roles_follow_from_groups"),
        (Fault::ForgetsRoles, "roles_from_clients_are_ignored"),
        (Fault::ForgetsRoles, "last_administrator_stays_in_its_group"),
        (Fault::StopsEarly, "page_continues_after_a_position"),
        (
            Fault::StopsEarly,
            "paging_between_writes_misses_and_repeats_nothing",
        ),
        (Fault::StopsEarly, "random_queries_are_answered_exactly"),
        (
            Fault::TellsAnEarlierTime,
            "update_under_an_earlier_clock_keeps_last_modified",
        ),
        (
            Fault::TellsAnEarlierTime,
            "membership_change_under_an_earlier_clock_keeps_last_modified",
        ),
        (
            Fault::TellsAnEarlierTime,
            "delete_under_an_earlier_clock_keeps_last_modified_of_its_groups",
        ),
        (
            Fault::TellsAnEarlierTime,
            "adoption_under_an_earlier_clock_keeps_last_modified",
        ),
        (
            Fault::TellsAnEarlierTime,
            "restore_under_an_earlier_clock_keeps_last_modified",
        ),
        (Fault::TellsAnEarlierTime, "instants_before_1970_are_stored"),
    ];
    for (fault, name) in faults {
        let check = contract::checks()
            .into_iter()
            .find(|check| check.name() == name)
            .unwrap();
        let store = Arc::new(Faulty(fault, MemoryStore::new()));
        assert!(
            check.run(store, &contract::block_on).is_err(),
            "{fault:?} {name}"
        );
    }
}
