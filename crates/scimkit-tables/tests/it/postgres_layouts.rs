//! Tables of applications in PostgreSQL.

use std::collections::BTreeSet;

use scimkit_testkit::contract::ContractReport;

use crate::layouts::Layout;

/// The tables of `TEXT`.
pub(crate) const TEXT_TABLES: &str = "CREATE TABLE users (
        id text PRIMARY KEY,
        login text NOT NULL,
        login_key text NOT NULL UNIQUE,
        given_name text,
        family_name varchar(200),
        job_title text,
        plan text NOT NULL DEFAULT 'free',
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamp
    );
    CREATE TABLE teams (id text PRIMARY KEY, name text, made_at bigint, changed_at integer);
    CREATE TABLE memberships (
        team text NOT NULL REFERENCES teams,
        member text NOT NULL REFERENCES users,
        PRIMARY KEY (team, member)
    );
    CREATE TABLE user_emails (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        user_id text NOT NULL REFERENCES users,
        kind text,
        address varchar(200),
        address_key text,
        label text,
        is_primary boolean,
        verified_at timestamptz
    );";

/// The tables of `COMPOSITE`.
pub(crate) const COMPOSITE_TABLES: &str = "CREATE TABLE users (
        company text NOT NULL,
        id text NOT NULL,
        login text NOT NULL,
        login_key text NOT NULL,
        given_name text,
        family_name text,
        job_title text,
        PRIMARY KEY (company, id),
        UNIQUE (company, login_key)
    );
    CREATE TABLE teams (
        company text NOT NULL,
        id text NOT NULL,
        name text,
        PRIMARY KEY (company, id)
    );";

/// The tables of `INTEGER`, with both forms of an id that the database makes.
pub(crate) const INTEGER_TABLES: &str = "CREATE TABLE users (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        company text NOT NULL,
        login text NOT NULL,
        directory_id text,
        is_manager boolean,
        locale text,
        UNIQUE (company, login)
    );
    CREATE TABLE teams (team_id serial PRIMARY KEY, company text NOT NULL, name text);
    CREATE TABLE team_members (team_id integer NOT NULL, user_id bigint NOT NULL, role text);
    INSERT INTO users (company, login) VALUES ('elsewhere', 'somebody');";

/// UUIDs that the database makes, logins that it compares without case, a state as an enum, and times.
pub(crate) const UUID: Layout = Layout {
    mapping: &[UUID_NAMES, UUID_USERS, UUID_GROUPS],
    sql: "",
};

const UUID_NAMES: &str = r#"
[User.table]
name = "users"
id = { type = "uuid", generated = true }

[Group.table]
name = "teams"
id = { type = "uuid", generated = true }
members = { table = "team_members", group = "team_id", user = "user_id" }
"#;

pub(crate) const UUID_TABLES: &str = "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
    CREATE TYPE user_state AS ENUM ('active', 'disabled');
    CREATE TABLE users (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        login citext NOT NULL UNIQUE,
        state user_state,
        title varchar(200) COLLATE \"en-x-icu\",
        data jsonb,
        seen timestamptz,
        created timestamptz NOT NULL DEFAULT now()
    );
    CREATE TABLE teams (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text COLLATE \"en-x-icu\");
    CREATE TABLE team_members (
        team_id uuid NOT NULL REFERENCES teams,
        user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
        PRIMARY KEY (team_id, user_id)
    );";

const UUID_USERS: &str = r#"
[User.fields]
login = { type = "text", unique = true, filterable = true }
state = { type = "text", folded = true }
title = "text"
data = "json"

[[User.map]]
scim = "userName"
field = "login"

[[User.map]]
scim = "active"
field = "state"
transform = [{ values = { true = "active", false = "disabled" } }]

[[User.map]]
scim = "title"
field = "title"

[[User.map]]
scim = "phoneNumbers"
field = "data"
"#;

const UUID_GROUPS: &str = r#"
[Group.fields]
name = "text"

[[Group.map]]
scim = "displayName"
field = "name"
"#;

/// The checks of the contract of stores that do not apply to a store with one tenant.
pub(crate) const ONE_TENANT: [&str; 6] = [
    "tenants_are_isolated",
    "check_and_commit_return_the_same_answers",
    "random_batches_equal_their_single_writes",
    "total_follows_every_kind_of_write",
    "match_is_limited_to_its_tenant",
    "random_writes_match_the_model",
];

/// Those that do not apply if the database makes the ids.
pub(crate) const OWN_IDS: [&str; 29] = [
    "batch_writes_run_in_order_and_independently",
    "check_and_commit_return_the_same_answers",
    "failed_batch_is_rolled_back_as_a_whole",
    "random_batches_equal_their_single_writes",
    "checked_batch_returns_its_answers_and_changes_nothing",
    "minimum_holds_for_deletes_and_updates",
    "total_follows_every_kind_of_write",
    "owner_is_returned_and_selectable_or_unsupported",
    "soft_deleted_resource_is_not_found",
    "unknown_members_are_accepted_if_allowed",
    "edges_are_paged",
    "group_as_its_own_member_is_rejected",
    "cycle_through_a_later_group_is_rejected",
    "cycles_are_accepted_if_allowed_and_queries_end",
    "accepted_cycle_does_not_block_other_writes",
    "pages_are_ordered_by_id",
    "resources_are_sorted",
    "roles_follow_within_a_batch",
    "page_continues_after_a_position",
    "position_is_valid_without_its_resource",
    "paging_between_writes_misses_and_repeats_nothing",
    "paging_during_parallel_writes_misses_and_repeats_nothing",
    "page_ends_at_its_byte_limit",
    "page_names_resources_beyond_its_byte_limit",
    "edges_count_towards_the_byte_limit_of_a_page",
    "edge_limit_bounds_the_edges_of_each_resource",
    "answers_contain_the_edges_of_their_version",
    "random_queries_are_answered_exactly",
    "random_writes_match_the_model",
];

/// Asserts that a report has no failures, and that exactly these checks were skipped.
pub(crate) fn assert_passed(report: &ContractReport, skipped: &[&[&str]]) {
    assert!(report.is_success(), "{report}");
    let expected: BTreeSet<_> = skipped.iter().copied().flatten().copied().collect();
    let found: BTreeSet<_> = report.skipped().map(|(name, _)| name).collect();
    assert_eq!(found, expected, "{report}");
}
