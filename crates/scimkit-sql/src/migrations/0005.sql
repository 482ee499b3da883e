-- The tenants of which an import is not complete; nothing else sees their rows. `attempt` tells the
-- import in progress from one before; `has_entry` is 1 once it has brought the tenant's entry, and so
-- every connection and token of the tenant.
CREATE TABLE import (
    tenant TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    has_entry INTEGER NOT NULL,
    PRIMARY KEY (tenant)
) STRICT, WITHOUT ROWID;
