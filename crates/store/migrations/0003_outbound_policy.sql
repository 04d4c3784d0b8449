-- Calling out: who may call where, and what was decided about a number. Lists are arrays as the
-- house writes them; policies stand by their documented names.

CREATE TABLE user_group (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    organization TEXT NOT NULL REFERENCES organization (id),
    rank BIGINT NOT NULL,
    policy TEXT
);

ALTER TABLE organization ADD COLUMN country TEXT;
ALTER TABLE organization ADD COLUMN policy TEXT;
ALTER TABLE organization ADD COLUMN premium_allowed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE organization ADD COLUMN satellite_allowed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE organization ADD COLUMN destinations TEXT NOT NULL DEFAULT '[]';

ALTER TABLE users ADD COLUMN country TEXT;
ALTER TABLE users ADD COLUMN policy TEXT;
ALTER TABLE users ADD COLUMN groups TEXT NOT NULL DEFAULT '';

ALTER TABLE tariff RENAME COLUMN number_type TO kind;

ALTER TABLE cdr ADD COLUMN decision_allowed BIGINT;
ALTER TABLE cdr ADD COLUMN decision_rule TEXT;
ALTER TABLE cdr ADD COLUMN decision_version TEXT;
