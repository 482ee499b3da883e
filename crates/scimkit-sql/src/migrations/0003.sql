-- `revision` counts the changes.
CREATE TABLE tenant (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;

CREATE TABLE connection (
    tenant TEXT NOT NULL,
    connection TEXT NOT NULL,
    name TEXT NOT NULL,
    rules TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant, connection)
) STRICT, WITHOUT ROWID;

-- The tokens of a release that knew neither tenants nor connections.
ALTER TABLE token RENAME TO token_before;

CREATE TABLE token (
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
CREATE INDEX token_by_connection ON token (tenant, connection);
-- Without the tenant in front: it is what tells the tenant.
CREATE UNIQUE INDEX token_by_digest ON token (digest);

INSERT INTO tenant (tenant, name, created_us, revision)
    SELECT 'default', 'default', min(created_us), 1 FROM token_before HAVING count(*) > 0;
INSERT INTO connection (tenant, connection, name, rules, created_us, revision)
    SELECT 'default', 'default', 'default', '{}', min(created_us), 1
    FROM token_before HAVING count(*) > 0;
INSERT INTO token
    (tenant, id, connection, digest, name, may_groups, may_read, may_users, created_us, revision)
    SELECT 'default', lower(hex(substr(digest, 1, 8))), 'default', digest, '', 1, 1, 1, created_us, 1
    FROM token_before;
DROP TABLE token_before;
