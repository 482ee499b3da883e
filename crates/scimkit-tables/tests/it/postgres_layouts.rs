//! Tables of applications in PostgreSQL.

use scimkit_tables::{KeyType, Table};

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
    groups: || {
        let teams = Table::new("teams", UUID_GROUPS).with_id("id", KeyType::Uuid);
        teams
            .with_members("team_members", "team_id", "user_id")
            .with_database_ids()
    },
    sql: "",
    users: || {
        let users = Table::new("users", UUID_USERS).with_id("id", KeyType::Uuid);
        users.with_database_ids()
    },
};

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
