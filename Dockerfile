# PostgreSQL 17 with every extension that pgvantage can use, from Debian's own packages (TimescaleDB is its Apache edition).
FROM debian:trixie-slim

ARG DEBIAN_FRONTEND=noninteractive
COPY test/support/server/debian/packages.txt /tmp/packages.txt
# postgresql-common first: told not to, the server's package makes no cluster of its own.
RUN apt-get update \
  && apt-get install -y --no-install-recommends postgresql-common \
  && echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf \
  && xargs -a /tmp/packages.txt apt-get install -y --no-install-recommends \
  && rm -rf /var/lib/apt/lists/* /tmp/packages.txt

COPY test/support/server/debian/postgres.sh /usr/local/bin/start-postgres

# The volume is the parent of the data directory, which is made under another name and renamed when whole.
ENV PGDATA=/var/lib/postgresql/data LC_ALL=C.UTF-8
VOLUME /var/lib/postgresql
USER postgres
EXPOSE 5432
# A fast shutdown: sessions are ended, not waited for.
STOPSIGNAL SIGINT
ENTRYPOINT ["start-postgres", "-c", "listen_addresses=*"]
