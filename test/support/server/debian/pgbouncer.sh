#!/bin/bash
# Starts PgBouncer in the current folder from the texts of its two files: PGBOUNCER_INI and PGBOUNCER_USERS.
set -euo pipefail
umask 077
printf '%s' "$PGBOUNCER_INI" >pgbouncer.ini
printf '%s' "$PGBOUNCER_USERS" >users.txt
unset PGBOUNCER_INI PGBOUNCER_USERS
exec pgbouncer pgbouncer.ini
