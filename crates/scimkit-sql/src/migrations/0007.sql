-- How many live resources of a type there are (`predicate` is '') or satisfy a predicate. Each write
-- adjusts them. `used` is the number of a change by which the counter was used, so that one that
-- nobody uses is removed.
CREATE TABLE resource_count (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    predicate TEXT NOT NULL,
    count INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, predicate)
) STRICT, WITHOUT ROWID;

-- The change up to which the tenant's counters are adjusted. Where it is not the last one, another
-- process wrote that knows no counters, so they are counted anew.
ALTER TABLE counter ADD COLUMN counted INTEGER NOT NULL DEFAULT -1;

INSERT INTO resource_count (tenant, kind, predicate, count, used)
    SELECT tenant, kind, '', count(*), 0 FROM resource
    WHERE tenant NOT IN (SELECT tenant FROM import) GROUP BY tenant, kind;
UPDATE counter SET counted = version WHERE tenant NOT IN (SELECT tenant FROM import);

-- The change that deleted a resource; 0 where that is not known.
ALTER TABLE retired ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
