-- The bridge's default number, shown as the caller of calls that we place.
ALTER TABLE service_number ADD COLUMN is_default BIGINT NOT NULL DEFAULT 0;
