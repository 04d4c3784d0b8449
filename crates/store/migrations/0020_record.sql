-- What a carrier's engineer finds a call by: which way it went, what the other side said at the end,
-- and the INVITEs of ours as an array as the house writes it. Those that were not the last one are
-- found by the table.
ALTER TABLE cdr ADD COLUMN call_type TEXT;
ALTER TABLE cdr ADD COLUMN received_status BIGINT;
ALTER TABLE cdr ADD COLUMN received_q850 BIGINT;
ALTER TABLE cdr ADD COLUMN attempts TEXT;

CREATE TABLE attempt (
    sip_call_id TEXT NOT NULL,
    call TEXT NOT NULL,
    PRIMARY KEY (sip_call_id, call)
);

-- A number that its owner withholds is kept encrypted or not at all, in which case the key has no
-- name. What was written before is dropped.
ALTER TABLE cdr DROP COLUMN withheld;
ALTER TABLE cdr ADD COLUMN withheld_key TEXT;
ALTER TABLE cdr ADD COLUMN withheld_sealed TEXT;
