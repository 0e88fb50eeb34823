#!/usr/bin/env bash
# Tells the example's story in psql: fills both stores, then types what examples/team_roles/story.sql says.
# Needs PGHOST PGPORT PGUSER PGDATABASE (an empty database) and MONGO_URI MONGO_HOSTS in the environment, as make demo
# sets them; MONGO_USER and MONGO_PASSWORD if the server wants them.
set -euo pipefail
cd "$(dirname "$0")/team_roles"
database=pg_reconcile_demo

/usr/bin/python3 mongodb.py "$MONGO_URI" "$database"
psql -qX -v ON_ERROR_STOP=1 -f postgresql.sql
mapping=
[ -z "${MONGO_USER:-}" ] || mapping="OPTIONS (username '${MONGO_USER//\'/\'\'}', password '${MONGO_PASSWORD//\'/\'\'}')"
psql -X -v ON_ERROR_STOP=1 -v mongo_hosts="$MONGO_HOSTS" -v mongo_database="$database" -v mongo_user="$mapping" \
	--echo-queries -f story.sql
