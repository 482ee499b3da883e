-- The definitions of lookup keys that were ever used: `attributes` has one line for each attribute
-- with keys. `used_s` is when a process last wrote under the definition, in seconds since 1970.
CREATE TABLE key_definition (
    kind TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    attributes TEXT NOT NULL,
    used_s INTEGER NOT NULL,
    PRIMARY KEY (kind, fingerprint)
) STRICT, WITHOUT ROWID;

-- The schemas that documents were written under, which `resource.shape` names: `attributes` has one
-- line for each attribute that their text may show.
CREATE TABLE text_definition (
    kind TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    attributes TEXT NOT NULL,
    PRIMARY KEY (kind, fingerprint)
) STRICT, WITHOUT ROWID;

-- Each row names the definition of its keys; '-' stands for none, so that its document is evaluated.
-- Rows of an older file have '': their definition stands in `keys_before`.
ALTER TABLE kind RENAME TO keys_before;
ALTER TABLE resource ADD COLUMN keys TEXT NOT NULL DEFAULT '';
ALTER TABLE retired ADD COLUMN keys TEXT NOT NULL DEFAULT '';
CREATE INDEX resource_by_keys ON resource (tenant, kind, keys, id);
CREATE INDEX retired_by_keys ON retired (tenant, kind, keys, id);

-- Schemas that differ in what is unique share their keys: whoever writes looks for others with the
-- value, inside the transaction of the write.
DROP INDEX lookup_key_sole;
ALTER TABLE lookup_key DROP COLUMN sole;

DELETE FROM sqlite_stat1 WHERE idx = 'lookup_key_sole';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('resource', 'resource_by_keys', '100000 10000 9000 9000 1'),
    ('retired', 'retired_by_keys', '100000 10000 9000 9000 1');
ANALYZE sqlite_schema;
