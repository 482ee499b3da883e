-- The values of components above the store, such as the runs of staged delivery.
CREATE TABLE key_value (
    tenant TEXT NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (tenant, collection, key)
) STRICT, WITHOUT ROWID;
