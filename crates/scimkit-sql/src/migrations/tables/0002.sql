-- The entries of a journal that a consumer has given up.
CREATE TABLE scim_dead_letter (
    tenant TEXT NOT NULL,
    consumer TEXT NOT NULL,
    number INTEGER NOT NULL,
    part INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (tenant, consumer, number, part)
) STRICT, WITHOUT ROWID;
