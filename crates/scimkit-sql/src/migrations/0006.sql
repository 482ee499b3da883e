-- The end of a tenant's journal: the digest of its last entry, and the last number that the journal
-- does not have, or not completely. What was changed before is not in it.
ALTER TABLE counter ADD COLUMN journal_digest BLOB;
ALTER TABLE counter ADD COLUMN journal_after INTEGER NOT NULL DEFAULT 0;
UPDATE counter SET journal_after = version;

-- One row for each change of a tenant, or for each part of it. `kind` and `id` are empty where the
-- subject has none. A salt of zeros says that the body was blanked.
CREATE TABLE journal (
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
CREATE INDEX journal_by_subject ON journal (tenant, kind, id, number, part);

-- How far a consumer has come in a tenant's journal, and who has the lease.
CREATE TABLE consumer (
    tenant TEXT NOT NULL,
    consumer TEXT NOT NULL,
    cursor INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    holder TEXT NOT NULL,
    until_us INTEGER,
    PRIMARY KEY (tenant, consumer)
) STRICT, WITHOUT ROWID;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('journal', 'journal', '1000000 100000 1 1'),
    ('journal', 'journal_by_subject', '1000000 100000 90000 5 1 1');
ANALYZE sqlite_schema;
