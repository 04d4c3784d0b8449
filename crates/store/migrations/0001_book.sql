-- The book. Money in millionths of the account's currency (BIGINT), identifiers in 32 hexadecimal
-- digits, times in microseconds since 1970 UTC. The database invents nothing: every value comes
-- from the house. Names that must be unique are checked in the transaction that writes them, so
-- that two records may swap theirs.

CREATE TABLE organization (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    payg_needs_credits_licence BIGINT NOT NULL
);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    organization TEXT NOT NULL REFERENCES organization (id),
    licences TEXT NOT NULL,
    toll_free_allowed BIGINT NOT NULL
);

CREATE TABLE meeting (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    organizer TEXT NOT NULL REFERENCES users (id),
    conference_id TEXT NOT NULL,
    participants_max BIGINT NOT NULL,
    announce BIGINT NOT NULL
);

CREATE TABLE service_number (
    id TEXT NOT NULL PRIMARY KEY,
    did TEXT NOT NULL,
    number_type TEXT NOT NULL,
    dedicated_to TEXT REFERENCES organization (id),
    bound_to TEXT REFERENCES meeting (id),
    country TEXT NOT NULL,
    language TEXT NOT NULL
);

CREATE TABLE tariff (
    organization TEXT REFERENCES organization (id),
    currency TEXT NOT NULL,
    number_type TEXT NOT NULL,
    number_prefix TEXT NOT NULL,
    caller_prefix TEXT NOT NULL,
    rate_version TEXT NOT NULL,
    rate_fee BIGINT NOT NULL,
    rate_per_minute TEXT NOT NULL,
    rate_initial_secs BIGINT NOT NULL,
    rate_subsequent_secs BIGINT NOT NULL,
    rate_minimum BIGINT NOT NULL,
    rate_rounding TEXT NOT NULL
);

CREATE TABLE revision (
    only_row BIGINT NOT NULL PRIMARY KEY CHECK (only_row = 1),
    number BIGINT NOT NULL
);
INSERT INTO revision (only_row, number) VALUES (1, 0);

-- Nodes and their lives. Epochs below settled_below can never write again.
CREATE TABLE node (
    name TEXT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    settled_below BIGINT NOT NULL
);

CREATE TABLE heartbeat (
    node TEXT NOT NULL REFERENCES node (name),
    epoch BIGINT NOT NULL,
    counter BIGINT NOT NULL,
    clock_micros BIGINT NOT NULL,
    PRIMARY KEY (node, epoch)
);

-- Money. available = granted - captured - expired - held + credit_limit.
CREATE TABLE account (
    id TEXT NOT NULL PRIMARY KEY,
    granted BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    expired BIGINT NOT NULL,
    held BIGINT NOT NULL,
    credit_limit BIGINT NOT NULL,
    burn_per_sec BIGINT NOT NULL,
    entries BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CHECK (held >= 0 AND captured + expired + held <= granted + credit_limit)
);

CREATE TABLE lot (
    account TEXT NOT NULL REFERENCES account (id),
    reference TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    bought BIGINT NOT NULL,
    PRIMARY KEY (account, reference)
);

-- Open legs only: what a crash needs to end them. rate and cdr are arrays as the house writes them.
CREATE TABLE leg (
    call TEXT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    dialog TEXT NOT NULL,
    answered_micros BIGINT,
    account TEXT REFERENCES account (id),
    class TEXT,
    rate TEXT,
    funded_secs BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    next_sequence BIGINT NOT NULL,
    cdr TEXT NOT NULL
);

CREATE TABLE hold (
    leg TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    account TEXT NOT NULL REFERENCES account (id),
    from_secs BIGINT NOT NULL,
    until_secs BIGINT NOT NULL,
    wanted_secs BIGINT NOT NULL,
    covers_secs BIGINT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    state TEXT NOT NULL,
    captured BIGINT NOT NULL CHECK (captured >= 0 AND captured <= amount),
    placed BIGINT NOT NULL,
    PRIMARY KEY (leg, sequence)
);

-- A hold ends once and is immutable afterwards.
CREATE TRIGGER hold_ends_once BEFORE UPDATE ON hold WHEN OLD.state <> 'open'
BEGIN SELECT RAISE(ABORT, 'a hold ends once'); END;

CREATE TABLE entry (
    account TEXT NOT NULL REFERENCES account (id),
    number BIGINT NOT NULL,
    written BIGINT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    balance BIGINT NOT NULL,
    hold_leg TEXT,
    hold_sequence BIGINT,
    reference TEXT,
    PRIMARY KEY (account, number)
);
CREATE INDEX entry_by_leg ON entry (hold_leg) WHERE hold_leg IS NOT NULL;

CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;
CREATE TRIGGER entry_is_never_deleted BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are append-only'); END;

-- One row a call, written once, when it is over: also what a replayed close is answered from, and
-- the tombstone of a leg that was released before it was placed.
CREATE TABLE cdr (
    call TEXT NOT NULL PRIMARY KEY,
    written BIGINT NOT NULL,
    ended TEXT NOT NULL,
    paid_by TEXT REFERENCES account (id),
    used_micros BIGINT NOT NULL,
    captured BIGINT NOT NULL,
    sip_call_id TEXT NOT NULL,
    trunk TEXT NOT NULL,
    caller TEXT,
    called TEXT,
    number_type TEXT,
    meeting TEXT,
    organizer TEXT,
    organization TEXT,
    capability TEXT NOT NULL,
    account TEXT,
    invited BIGINT NOT NULL,
    answered BIGINT,
    connected_micros BIGINT NOT NULL,
    billed_secs BIGINT NOT NULL,
    rate_version TEXT,
    rate_fee BIGINT,
    rate_per_minute TEXT,
    rate_initial_secs BIGINT,
    rate_subsequent_secs BIGINT,
    rate_minimum BIGINT,
    rate_rounding TEXT,
    fee BIGINT NOT NULL,
    charge BIGINT NOT NULL,
    currency TEXT,
    label TEXT NOT NULL,
    released_by TEXT NOT NULL,
    sip_status BIGINT NOT NULL,
    q850 BIGINT NOT NULL,
    reasons TEXT NOT NULL
);
CREATE INDEX cdr_by_time ON cdr (written, call);
CREATE INDEX cdr_by_sip_call_id ON cdr (sip_call_id);

CREATE TRIGGER cdr_is_never_changed BEFORE UPDATE ON cdr
BEGIN SELECT RAISE(ABORT, 'records are written once'); END;
