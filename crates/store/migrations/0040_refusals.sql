-- How callers of a number are refused: by a code, or told why before it.
ALTER TABLE service_number ADD COLUMN refusals TEXT NOT NULL DEFAULT 'code';
