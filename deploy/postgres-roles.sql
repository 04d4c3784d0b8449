-- The two roles of a Tollgate database, and what each may do. Run it in that database as a superuser,
-- before the first `tollgate migrate` and again after each one that brought new tables:
--   createdb tollgate; psql -d tollgate -f postgres-roles.sql
-- tollgate_owner owns the tables and runs `tollgate migrate` and `tollgate store copy`. tollgate serves
-- and runs the other subcommands: it changes no schema, and nothing that was written once. Both are
-- made without a password: add one (\password tollgate), or let peer or certificate authentication do.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tollgate_owner') THEN
        CREATE ROLE tollgate_owner LOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tollgate') THEN
        CREATE ROLE tollgate LOGIN;
    END IF;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO tollgate_owner;
GRANT USAGE ON SCHEMA public TO tollgate;

-- Read, add, change: of what is there and of what later migrations make. Never empty a table.
ALTER DEFAULT PRIVILEGES FOR ROLE tollgate_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE ON TABLES TO tollgate;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO tollgate;

DO $$
DECLARE
    name TEXT;
BEGIN
    -- What is written once stays as it is; the schema's own list is not ours to write.
    FOREACH name IN ARRAY ARRAY['entry', 'lot', 'cdr', 'act'] LOOP
        IF to_regclass(name) IS NOT NULL THEN
            EXECUTE format('REVOKE UPDATE ON %I FROM tollgate', name);
        END IF;
    END LOOP;
    IF to_regclass('_sqlx_migrations') IS NOT NULL THEN
        REVOKE INSERT, UPDATE ON _sqlx_migrations FROM tollgate;
    END IF;
    -- What is live or provisioned goes away when it is over, or replaced.
    FOREACH name IN ARRAY ARRAY['leg', 'farewell', 'suspension', 'tariff'] LOOP
        IF to_regclass(name) IS NOT NULL THEN
            EXECUTE format('GRANT DELETE ON %I TO tollgate', name);
        END IF;
    END LOOP;
END $$;
