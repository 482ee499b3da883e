-- The columns besides those of every product. Ten of the people are of another organization.
ALTER TABLE person ADD COLUMN display_name TEXT;
ALTER TABLE person ADD COLUMN work_email TEXT;
ALTER TABLE person ADD COLUMN organization TEXT NOT NULL DEFAULT 'default';
ALTER TABLE team ADD COLUMN organization TEXT NOT NULL DEFAULT 'default';
UPDATE person SET organization = 'clinic' WHERE id > 'p20';
