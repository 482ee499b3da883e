-- The columns of people besides those of every product.
ALTER TABLE person ADD COLUMN time_zone TEXT;
ALTER TABLE person ADD COLUMN country TEXT;
ALTER TABLE person ADD COLUMN custom_1 TEXT;
ALTER TABLE person ADD COLUMN custom_2 TEXT;
