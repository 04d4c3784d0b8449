-- Carriers that are still to be told, by BYE, that a leg of a dead epoch is over. Written when the
-- leg is settled, deleted once the BYE was answered or given up: a second crash in between loses
-- none.
CREATE TABLE farewell (
    call TEXT NOT NULL PRIMARY KEY,
    dialog TEXT NOT NULL,
    since BIGINT NOT NULL
);
