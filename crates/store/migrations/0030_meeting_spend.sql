-- What the charged calls of a meeting may cost from its beginning to its end, millionths.
ALTER TABLE meeting ADD COLUMN spend_cap BIGINT;
