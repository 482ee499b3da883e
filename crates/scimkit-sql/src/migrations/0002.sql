-- The connection that made or adopted the resource; none for the host's own.
ALTER TABLE resource ADD COLUMN connection TEXT;

-- What was deleted and may come back, with its lookup keys apart: nothing else looks here.
CREATE TABLE retired (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    retired_us INTEGER NOT NULL,
    connection TEXT,
    document TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX retired_by_kind ON retired (tenant, kind, id);

CREATE TABLE retired_key (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    attr TEXT NOT NULL,
    value ANY NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, attr, value, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX retired_key_by_id ON retired_key (tenant, kind, id, attr);

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('retired', 'sqlite_autoindex_retired_1', '100000 10000 1'),
    ('retired', 'retired_by_kind', '100000 10000 9000 1'),
    ('retired_key', 'retired_key', '500000 50000 45000 9000 4 1'),
    ('retired_key', 'retired_key_by_id', '500000 50000 45000 5 1 1');
ANALYZE sqlite_schema;
