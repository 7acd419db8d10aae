-- The rights of a server's role, as tcsync_owner in the database tcsync, once `storage upgrade` has made the tables. The
-- last statement is for tables of later releases.
GRANT USAGE ON SCHEMA tcsync TO tcsync_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tcsync TO tcsync_server;
ALTER DEFAULT PRIVILEGES IN SCHEMA tcsync
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tcsync_server;
