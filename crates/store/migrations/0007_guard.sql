-- Guards against fraud and abuse: budgets of calls out, who is out of service, which callers are
-- taken; and who did what. Lists are arrays as the house writes them.

CREATE TABLE budget (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    concurrent BIGINT NOT NULL,
    per_minute BIGINT NOT NULL,
    spend_hour BIGINT NOT NULL,
    spend_day BIGINT NOT NULL,
    country_day BIGINT NOT NULL,
    max_secs BIGINT NOT NULL,
    new_countries TEXT NOT NULL,
    approved TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE suspension (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    standing TEXT NOT NULL,
    reason TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE screen (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    callers TEXT NOT NULL,
    anonymous_refused BIGINT NOT NULL,
    lines_refused TEXT NOT NULL,
    PRIMARY KEY (kind, subject)
);

CREATE TABLE act (
    sequence BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    verb TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE TRIGGER act_is_never_changed BEFORE UPDATE ON act
BEGIN SELECT RAISE(ABORT, 'an act is never changed'); END;
CREATE TRIGGER act_is_never_removed BEFORE DELETE ON act
BEGIN SELECT RAISE(ABORT, 'an act is never removed'); END;
