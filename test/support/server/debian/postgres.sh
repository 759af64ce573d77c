#!/bin/bash
# Starts PostgreSQL 17 with what pgvantage can use, on a data directory that it makes when there is none. Run it as the user postgres.
#
# PGDATA             the data directory
# POSTGRES_PASSWORD  the superuser's password, read only when the data directory is made; whoever comes over the network must know it
# POSTGRES_CLOCK     sets the server's clock back by so many seconds (-86400: a day); for tests alone
# Arguments go to postgres: settings such as -c fsync=off.
set -euo pipefail
trap 'exit 130' INT

bin=/usr/lib/postgresql/17/bin

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  : "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD is not set: choose the password of the superuser postgres}"
  # Made under another name, so that an interrupted start is begun again and never taken for a database.
  rm -rf "$PGDATA.new" "$PGDATA.password"
  (umask 077 && printf '%s\n' "$POSTGRES_PASSWORD" >"$PGDATA.password")
  "$bin/initdb" --pgdata="$PGDATA.new" --username=postgres --pwfile="$PGDATA.password" --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=peer --auth-host=scram-sha-256
  rm "$PGDATA.password"
  printf 'host all all all scram-sha-256\n' >>"$PGDATA.new/pg_hba.conf"
  mv "$PGDATA.new" "$PGDATA"
fi
unset POSTGRES_PASSWORD

if [[ -n ${POSTGRES_CLOCK:-} ]]; then
  # Back, never ahead: with a clock in the future no statement_timeout, lock_timeout or deadlock_timeout ever ends anything (libfaketime 0.9.10).
  library=(/usr/lib/*/faketime/libfaketime.so.1)
  export LD_PRELOAD=${library[0]} FAKETIME=$POSTGRES_CLOCK FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DISABLE_SHM=1
fi

# TimescaleDB wants a worker for each database that has it, beside those of its jobs, and a lock for each chunk that a query opens.
exec "$bin/postgres" -D "$PGDATA" \
  -c shared_preload_libraries=timescaledb \
  -c timescaledb.telemetry_level=off \
  -c timescaledb.max_background_workers=32 \
  -c max_worker_processes=64 \
  -c max_locks_per_transaction=256 \
  "$@"
