-- The side tables of an application's own tables. PostgreSQL gets its own names of the types: see `side.rs`.
-- The migrations that were made, and when. Rows of the application that no change of ours has touched are as old as
-- the first one.
CREATE TABLE scim_migration (
    number INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (number)
) STRICT;

-- The number of the last change of a tenant, and the end of its journal. PostgreSQL locks the row for each write.
CREATE TABLE scim_counter (
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    counted INTEGER NOT NULL DEFAULT 0,
    journal_digest BLOB,
    journal_after INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

-- The part of a resource that its row does not have: the last change of ours, the hash of the document as it was then,
-- and the attributes without a column. With row ids, because SQLite copies the whole of long rows to compare their keys.
CREATE TABLE scim_resource (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    modified_us INTEGER NOT NULL,
    connection TEXT,
    external_id TEXT,
    hash TEXT NOT NULL,
    rest TEXT,
    PRIMARY KEY (tenant, kind, id)
) STRICT;
CREATE INDEX scim_resource_by_external_id ON scim_resource (tenant, kind, external_id);
CREATE INDEX scim_resource_by_connection ON scim_resource (tenant, connection);

-- Soft-deleted resources. Their rows are gone.
CREATE TABLE scim_retired (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    retired_us INTEGER NOT NULL,
    connection TEXT,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, id)
) STRICT;

-- The last ids that were given to rows of tables whose ids the database makes.
CREATE TABLE scim_sequence (
    kind TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (kind)
) STRICT, WITHOUT ROWID;

-- Memberships that the application's tables can't hold: of members that are not in the table of members.
CREATE TABLE scim_edge (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    attr TEXT NOT NULL,
    owner TEXT NOT NULL,
    target TEXT NOT NULL,
    target_kind TEXT,
    PRIMARY KEY (tenant, kind, owner, attr, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX scim_edge_by_target ON scim_edge (tenant, target, kind, attr, owner);

CREATE TABLE scim_tenant (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE scim_connection (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    name TEXT NOT NULL,
    rules TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant, connection)
) STRICT, WITHOUT ROWID;

CREATE TABLE scim_token (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    connection TEXT NOT NULL,
    digest BLOB NOT NULL,
    name TEXT NOT NULL,
    may_groups INTEGER NOT NULL,
    may_read INTEGER NOT NULL,
    may_users INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    expires_us INTEGER,
    replaced_us INTEGER,
    revoked_us INTEGER,
    used_us INTEGER,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX scim_token_by_connection ON scim_token (tenant, connection);
CREATE UNIQUE INDEX scim_token_by_digest ON scim_token (digest);

CREATE TABLE scim_import (
    tenant TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    has_entry INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE scim_journal (
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL,
    part INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    connection TEXT,
    actor TEXT,
    request TEXT,
    salt BLOB NOT NULL,
    body TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    previous BLOB NOT NULL,
    PRIMARY KEY (tenant, number, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX scim_journal_by_subject ON scim_journal (tenant, kind, id, number, part);

CREATE TABLE scim_consumer (
    tenant TEXT NOT NULL,
    consumer TEXT NOT NULL,
    cursor INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    holder TEXT NOT NULL,
    until_us INTEGER,
    PRIMARY KEY (tenant, consumer)
) STRICT, WITHOUT ROWID;
