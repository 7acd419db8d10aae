-- Roles and the database, as the superuser on the primary, with psql from 15 on:
--   export OWNER_PASSWORD=... SERVER_PASSWORD=...
--   psql -f roles.sql
\getenv owner_password OWNER_PASSWORD
\getenv server_password SERVER_PASSWORD
CREATE ROLE tcsync_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE tcsync_server LOGIN PASSWORD :'server_password';
CREATE DATABASE tcsync OWNER tcsync_owner ENCODING 'UTF8' TEMPLATE template0;
REVOKE CONNECT ON DATABASE tcsync FROM PUBLIC;
GRANT CONNECT ON DATABASE tcsync TO tcsync_server;
