#!/bin/bash
# Run once by the PostgreSQL image, on an empty data folder: a role and a database for each
# service. A role may enter its own database only.
set -euo pipefail

psql=(psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}")

"${psql[@]}" --dbname postgres <<'SQL'
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;
SQL

for service in membership scheduling cpd reporting integration; do
  variable="ASPIRE_${service^^}_PASSWORD"
  # psql quotes names and values by itself (:"…" and :'…').
  "${psql[@]}" --dbname postgres --set service="$service" --set password="${!variable:?}" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password';
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
