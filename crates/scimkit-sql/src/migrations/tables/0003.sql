-- The values of components above the store, such as the runs of staged delivery.
CREATE TABLE scim_key_value (
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tenant, collection, key)
) STRICT, WITHOUT ROWID;

-- What delivers the users of a tenant, in staged delivery.
ALTER TABLE scim_tenant ADD COLUMN source TEXT NOT NULL DEFAULT 'scim';
