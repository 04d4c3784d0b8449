-- What the statements and triggers of both engines ask for, and PostgreSQL does not know by itself.

-- The elements of an array, given as its text; a column is then value ->> its place.
CREATE FUNCTION json_each(rows TEXT) RETURNS TABLE (value JSONB)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT element.value FROM jsonb_array_elements(rows::jsonb) AS element $$;

-- A trigger that refuses a change, and says why.
CREATE FUNCTION refuse() RETURNS trigger
LANGUAGE plpgsql
AS $$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $$;
