//! The contract, and proof that it notices a store that breaks it.

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
fn a_faulty_store_is_noticed() {
    let faults = [
        (Fault::AcceptsCycles, "a_group_in_itself_is_refused"),
        (Fault::AcceptsCycles, "a_deleted_group_opens_its_ring"),
        (
            Fault::ChecksWithoutEdges,
            "check_answers_with_what_the_commit_answers",
        ),
        (
            Fault::AcceptsCycles,
            "a_ring_through_a_group_to_come_is_refused",
        ),
        (Fault::AcceptsCycles, "groups_in_a_ring_are_refused"),
        (
            Fault::AcceptsCycles,
            "of_parallel_edges_in_both_directions_one_wins",
        ),
        (
            Fault::AcceptsCycles,
            "of_parallel_edges_of_a_ring_one_is_refused",
        ),
        (Fault::AcceptsCycles, "random_writes_do_what_the_model_does"),
        (
            Fault::MatchesAnything,
            "a_claim_by_attributes_without_an_index_is_exact",
        ),
        (Fault::CountsThePage, "pages_come_in_the_order_of_ids"),
        (Fault::CountsThePage, "random_queries_are_answered_exactly"),
        (Fault::ErasesAlways, "a_create_brings_back_what_was_retired"),
        (Fault::ErasesAlways, "what_was_retired_last_comes_back"),
        (
            Fault::ErasesAlways,
            "what_was_retired_is_gone_for_everybody",
        ),
        (Fault::ForgetsClaims, "a_create_adopts_what_is_the_hosts"),
        (
            Fault::ForgetsClaims,
            "a_create_brings_back_what_was_retired",
        ),
        (Fault::ForgetsClaims, "of_parallel_creates_one_adopts"),
        (
            Fault::ForgetsClaims,
            "several_that_could_be_adopted_refuse_a_create",
        ),
        (
            Fault::ForgetsWhoAsks,
            "a_create_leaves_what_a_connection_has",
        ),
        (Fault::ForgetsWhoAsks, "of_parallel_creates_one_adopts"),
        (Fault::ForgetsKinds, "edges_show_their_target_as_it_is"),
        (Fault::ForgetsTheDormant, "a_create_takes_who_is_dormant"),
        (Fault::ForgetsWhatWasSent, "an_adoption_sets_what_was_sent"),
        (Fault::ForgetsTheSort, "random_queries_are_answered_exactly"),
        (Fault::ForgetsTheSort, "resources_are_sorted"),
        (Fault::ForgetsWhereAPageBegins, "edges_come_in_pages"),
        (
            Fault::IgnoresExpectations,
            "an_unexpected_version_writes_nothing",
        ),
        (
            Fault::IgnoresExpectations,
            "of_parallel_updates_of_one_version_one_wins",
        ),
        (
            Fault::IgnoresExpectations,
            "random_writes_do_what_the_model_does",
        ),
        (
            Fault::IgnoresFilters,
            "filters_see_members_as_answers_show_them",
        ),
        (Fault::IgnoresFilters, "filters_see_what_answers_show"),
        (Fault::IgnoresFilters, "random_queries_are_answered_exactly"),
        (Fault::IgnoresRules, "a_batch_stops_after_so_many_failures"),
        (
            Fault::IgnoresRules,
            "a_batch_that_fails_as_one_leaves_nothing",
        ),
        (
            Fault::IgnoresRules,
            "random_batches_do_what_their_writes_do_alone",
        ),
        (Fault::MixesTenants, "tenants_do_not_meet"),
        (
            Fault::PagesByTheKeyAlone,
            "a_walk_beside_writes_misses_and_repeats_nothing",
        ),
        (
            Fault::PagesByTheKeyAlone,
            "a_walk_beside_a_writer_misses_and_repeats_nothing",
        ),
        (
            Fault::PagesByTheKeyAlone,
            "a_page_continues_where_one_ended",
        ),
        (Fault::SkipsOnePage, "pages_come_in_the_order_of_ids"),
        (Fault::StartsAgain, "a_page_continues_where_one_ended"),
        (Fault::StartsAgain, "a_position_outlives_its_resource"),
        (Fault::StopsEarly, "a_page_continues_where_one_ended"),
        (
            Fault::StopsEarly,
            "a_walk_beside_writes_misses_and_repeats_nothing",
        ),
        (Fault::StopsEarly, "random_queries_are_answered_exactly"),
        (
            Fault::TellsAnEarlierTime,
            "an_update_under_an_earlier_clock_keeps_last_modified",
        ),
        (
            Fault::TellsAnEarlierTime,
            "a_membership_change_under_an_earlier_clock_keeps_last_modified",
        ),
        (
            Fault::TellsAnEarlierTime,
            "a_delete_under_an_earlier_clock_keeps_last_modified_of_its_groups",
        ),
        (
            Fault::TellsAnEarlierTime,
            "an_adoption_under_an_earlier_clock_keeps_last_modified",
        ),
        (
            Fault::TellsAnEarlierTime,
            "a_restore_under_an_earlier_clock_keeps_last_modified",
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
