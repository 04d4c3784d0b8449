-- Where an organization's days and hours are; budgets of the night, countries that are denied; what
-- calls out have cost lately, and which wait for an approval, found without reading all records.
-- A night is an array as the house writes it, empty without one.

ALTER TABLE organization ADD COLUMN time_zone TEXT NOT NULL DEFAULT '';

ALTER TABLE budget ADD COLUMN denied TEXT NOT NULL DEFAULT '';
ALTER TABLE budget ADD COLUMN night TEXT NOT NULL DEFAULT '[]';

CREATE INDEX cdr_called_out ON cdr (written, call) WHERE decision_allowed = 1 AND trunk <> '';
CREATE INDEX cdr_unapproved ON cdr (written, call) WHERE label = 'country_unapproved';
