-- How meetings call people. A meeting without a word has its organization's; the list of those whom
-- it calls when it begins is an array as the house writes it: whether they must press 1, and their
-- numbers as they were written.

ALTER TABLE organization ADD COLUMN dial_out_allowed BIGINT NOT NULL DEFAULT 1;
ALTER TABLE organization ADD COLUMN dial_out_press_one BIGINT NOT NULL DEFAULT 1;
ALTER TABLE organization ADD COLUMN dial_out_ring_secs BIGINT NOT NULL DEFAULT 45;

ALTER TABLE meeting ADD COLUMN dial_out_allowed BIGINT;
ALTER TABLE meeting ADD COLUMN dial_out_press_one BIGINT;
ALTER TABLE meeting ADD COLUMN dial_out_ring_secs BIGINT;
ALTER TABLE meeting ADD COLUMN dial_out_calls TEXT NOT NULL DEFAULT '[]';
