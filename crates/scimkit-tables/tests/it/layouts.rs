//! Tables of applications, as they are before SCIM comes.

use scimkit_mapping::{Mapping, MappingBuilder};
use scimkit_registry::Registry;
use scimkit_tables::{Driver, TableStore};

use crate::support::wait;

/// A layout: the application's tables, and how they are described.
pub(crate) struct Layout {
    /// The parts of the mapping.
    pub(crate) mapping: &'static [&'static str],
    pub(crate) sql: &'static str,
}

/// Text ids that the server gives, no tenants, logins that keep their spelling next to a folded column, and columns of
/// times.
pub(crate) const TEXT: Layout = Layout {
    mapping: &[TEXT_NAMES, TEXT_USERS, EMAILS, TEXT_GROUPS],
    sql: "CREATE TABLE users (
            id TEXT PRIMARY KEY,
            login TEXT NOT NULL,
            login_key TEXT NOT NULL UNIQUE,
            given_name TEXT,
            family_name TEXT,
            job_title TEXT,
            plan TEXT NOT NULL DEFAULT 'free',
            created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
            updated_at TEXT
        ) STRICT;
        CREATE TABLE teams (
            id TEXT PRIMARY KEY,
            name TEXT,
            made_at INTEGER,
            changed_at INTEGER
        ) STRICT;
        CREATE TABLE memberships (
            team TEXT NOT NULL REFERENCES teams,
            member TEXT NOT NULL REFERENCES users,
            PRIMARY KEY (team, member)
        ) STRICT;
        CREATE TABLE user_emails (
            id INTEGER PRIMARY KEY,
            user_id TEXT NOT NULL REFERENCES users,
            kind TEXT,
            address TEXT,
            address_key TEXT,
            label TEXT,
            is_primary INTEGER,
            verified_at TEXT
        ) STRICT;
        CREATE INDEX user_emails_by_user ON user_emails (user_id);
        CREATE INDEX user_emails_by_address ON user_emails (address_key);",
};

const TEXT_NAMES: &str = r#"
[User.table]
name = "users"
times = { created = "created_at", modified = "updated_at" }

[Group.table]
name = "teams"
members = { table = "memberships", group = "team", user = "member" }
times = { created = "made_at", modified = "changed_at", form = "seconds" }
"#;

const TEXT_USERS: &str = r#"
[User.fields]
login = { type = "text", unique = true, filterable = true }
login_key = "text"
given_name = "text"
family_name = "text"
job_title = "text"

[[User.map]]
scim = "userName"
field = "login"
key = "login_key"

[[User.map]]
scim = "name.givenName"
field = "given_name"

[[User.map]]
scim = "name.familyName"
field = "family_name"

[[User.map]]
scim = "title"
field = "job_title"
"#;

/// Email addresses in a table of their own.
const EMAILS: &str = r#"
[User.fields.emails]
table = "user_emails"
key = "user_id"
columns = { value = { column = "address", key = "address_key" }, type = "kind", display = "label", primary = "is_primary" }

[[User.map]]
scim = "emails"
field = "emails"
"#;

const TEXT_GROUPS: &str = r#"
[Group.fields]
name = { type = "text", filterable = true }

[[Group.map]]
scim = "displayName"
field = "name"
"#;

/// Text ids that the server gives, unique within a tenant, and no table of memberships.
pub(crate) const COMPOSITE: Layout = Layout {
    mapping: &[COMPOSITE_NAMES, TEXT_USERS, TEXT_GROUPS],
    sql: "CREATE TABLE users (
            company TEXT NOT NULL,
            id TEXT NOT NULL,
            login TEXT NOT NULL,
            login_key TEXT NOT NULL,
            given_name TEXT,
            family_name TEXT,
            job_title TEXT,
            PRIMARY KEY (company, id),
            UNIQUE (company, login_key)
        ) STRICT;
        CREATE TABLE teams (
            company TEXT NOT NULL,
            id TEXT NOT NULL,
            name TEXT,
            PRIMARY KEY (company, id)
        ) STRICT;",
};

const COMPOSITE_NAMES: &str = r#"
[User.table]
name = "users"
tenant = "company"

[Group.table]
name = "teams"
tenant = "company"
"#;

/// Integers that the database makes, a column for the tenant, and logins that are not folded, so that SQL can't compare
/// them.
pub(crate) const INTEGER: Layout = Layout {
    mapping: &[INTEGER_NAMES, INTEGER_USERS, INTEGER_GROUPS],
    sql: "CREATE TABLE users (
            id INTEGER PRIMARY KEY,
            company TEXT NOT NULL,
            login TEXT NOT NULL,
            directory_id TEXT,
            is_manager INTEGER,
            locale TEXT,
            UNIQUE (company, login)
        );
        CREATE TABLE teams (
            team_id INTEGER PRIMARY KEY AUTOINCREMENT,
            company TEXT NOT NULL,
            name TEXT
        );
        CREATE TABLE team_members (team_id INTEGER NOT NULL, user_id INTEGER NOT NULL, role TEXT);
        INSERT INTO users (company, login) VALUES ('elsewhere', 'somebody');",
};

const INTEGER_NAMES: &str = r#"
[User.table]
name = "users"
id = { column = "id", type = "integer" }
tenant = { column = "company", type = "text" }

[Group.table]
name = "teams"
id = { column = "team_id", type = "integer" }
members = { table = "team_members", group = "team_id", user = "user_id" }
tenant = "company"
"#;

const INTEGER_USERS: &str = r#"
[User.fields]
login = { type = "text", unique = true, filterable = true }
directory_id = "text"
locale = "text"

[[User.map]]
scim = "externalId"
field = "directory_id"

[[User.map]]
scim = "userName"
field = "login"

[[User.map]]
scim = "locale"
field = "locale"
"#;

const INTEGER_GROUPS: &str = r#"
[Group.fields]
name = "text"

[[Group.map]]
scim = "displayName"
field = "name"
"#;

impl Layout {
    pub(crate) fn mapping(&self) -> MappingBuilder {
        let texts = self.mapping.iter();
        texts.fold(Mapping::builder(), |mapping, text| mapping.text(text))
    }

    /// A migrated store over these tables in the database of a driver.
    pub(crate) fn store<D: Driver>(&self, driver: D) -> TableStore<D> {
        let store = TableStore::builder(driver, self.mapping());
        let store = store.build(&Registry::standard()).unwrap();
        wait(store.migrate()).unwrap();
        store
    }
}
