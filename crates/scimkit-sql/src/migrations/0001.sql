-- The last version given out in a tenant: an id that comes back never repeats one.
CREATE TABLE counter (
    tenant TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

-- `display` is the document's `displayName`; it stands before the document so that listing members
-- does not read through documents. `shape` is the fingerprint of the schema under which the document
-- was made: under another one it may hold what is hidden now.
CREATE TABLE resource (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    modified_us INTEGER NOT NULL,
    display TEXT,
    shape TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX resource_by_kind ON resource (tenant, kind, id);
CREATE INDEX resource_by_created ON resource (tenant, kind, created_us, id);
CREATE INDEX resource_by_modified ON resource (tenant, kind, modified_us, id);

-- One row for each distinct value of an indexed attribute, folded; `sole` is 1 where no other
-- resource may have it.
CREATE TABLE lookup_key (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    attr TEXT NOT NULL,
    value ANY NOT NULL,
    id TEXT NOT NULL,
    sole INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, attr, value, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX lookup_key_by_id ON lookup_key (tenant, kind, id, attr);
CREATE UNIQUE INDEX lookup_key_sole ON lookup_key (tenant, kind, attr, value) WHERE sole = 1;

-- `target_kind` is the client's word.
CREATE TABLE edge (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    attr TEXT NOT NULL,
    owner TEXT NOT NULL,
    target TEXT NOT NULL,
    target_kind TEXT,
    PRIMARY KEY (tenant, kind, owner, attr, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_by_target ON edge (tenant, target, kind, attr, owner);

-- Under which schema the lookup keys of a tenant's resources of a type were made.
CREATE TABLE kind (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (tenant, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    digest BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (digest)
) STRICT, WITHOUT ROWID;

-- What a directory looks like, for the planner: without it the planner takes each tenant and type to
-- hold a handful of rows, and walks through all of them.
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('resource', 'sqlite_autoindex_resource_1', '100000 10000 1'),
    ('resource', 'resource_by_kind', '100000 10000 9000 1'),
    ('resource', 'resource_by_created', '100000 10000 9000 4 1'),
    ('resource', 'resource_by_modified', '100000 10000 9000 4 1'),
    ('lookup_key', 'lookup_key', '500000 50000 45000 9000 4 1'),
    ('lookup_key', 'lookup_key_by_id', '500000 50000 45000 5 1 1'),
    ('lookup_key', 'lookup_key_sole', '100000 10000 9000 9000 1'),
    ('edge', 'edge', '1000000 100000 100000 100 100 1'),
    ('edge', 'edge_by_target', '1000000 100000 10 10 10 1');
ANALYZE sqlite_schema;
