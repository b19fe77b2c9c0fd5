#!/usr/bin/env bash
# What a careful person would type on a bare Debian host, as root, to get what playbooks/site.yml makes of a sandbox host:
# Debian's packages, a cluster with checksums, one role and one database, an encrypted repository, archiving, a first backup,
# and the runbook's schedule.
# Nothing is checked beforehand and nothing can be repeated: it is the measure for speed alone.
# Reads ROLE_PASSWORD and CIPHER_PASS from its environment.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
case $(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release) in
  bookworm) version=15 block= ;;
  trixie) version=17 block='repo1-block=y' ;;
  forky) version=18 block='repo1-block=y' ;;
  *) exit 1 ;;
esac
cores=$(nproc)
half=$((cores > 1 ? cores / 2 : 1))

as_postgres() { (cd / && setpriv --reuid postgres --regid postgres --init-groups "$@"); }

mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/10-axiomdb.conf
apt-get update -qq
apt-get install -y -qq --no-install-recommends "postgresql-$version" pgbackrest cron logrotate >/dev/null

TZ=UTC pg_createcluster --locale C.UTF-8 --encoding UTF8 "$version" main -- --data-checksums >/dev/null
cat >"/etc/postgresql/$version/main/conf.d/10-axiomdb.conf" <<'TEXT'
port = '5432'
listen_addresses = 'localhost'
password_encryption = 'scram-sha-256'
TEXT
cat >"/etc/postgresql/$version/main/conf.d/20-wal-archiving.conf" <<'TEXT'
wal_level = 'replica'
archive_mode = 'on'
archive_timeout = '60s'
archive_command = 'pgbackrest --stanza=axiomdb archive-push %p'
TEXT
cat >"/etc/postgresql/$version/main/pg_hba.conf" <<'TEXT'
local all postgres peer
local replication postgres peer
local all all peer
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
TEXT

install -d -m 0750 -o root -g postgres /etc/pgbackrest /etc/pgbackrest/conf.d
install -d -m 0750 -o postgres -g postgres /var/lib/pgbackrest /var/spool/pgbackrest
rm -f /etc/pgbackrest.conf
cat >/etc/pgbackrest/pgbackrest.conf <<TEXT
[global]
archive-async=y
compress-type=zst
compress-level=3
log-level-console=warn
log-level-file=detail
log-path=/var/log/pgbackrest
spool-path=/var/spool/pgbackrest
start-fast=y
repo1-type=posix
repo1-path=/var/lib/pgbackrest
repo1-cipher-type=aes-256-cbc
repo1-retention-full-type=time
repo1-retention-full=7
repo1-bundle=y
$block
[global:backup]
delta=y
process-max=$half
[global:restore]
process-max=$cores
[global:archive-push]
process-max=$half
[global:archive-get]
process-max=$half
[axiomdb]
pg1-path=/var/lib/postgresql/$version/main
pg1-port=5432
pg1-socket-path=/var/run/postgresql
TEXT
(umask 077 && printf '[global]\nrepo1-cipher-pass=%s\n' "$CIPHER_PASS" >/etc/pgbackrest/conf.d/90-secrets.conf)
chown root:postgres /etc/pgbackrest/pgbackrest.conf /etc/pgbackrest/conf.d/90-secrets.conf
chmod 0640 /etc/pgbackrest/pgbackrest.conf /etc/pgbackrest/conf.d/90-secrets.conf

systemctl start "postgresql@$version-main"
as_postgres psql -qX -v ON_ERROR_STOP=1 postgres <<TEXT
CREATE ROLE axiomdb LOGIN PASSWORD '$ROLE_PASSWORD';
CREATE DATABASE axiomdb OWNER axiomdb;
TEXT

as_postgres pgbackrest --stanza=axiomdb stanza-create
as_postgres pgbackrest --stanza=axiomdb check
as_postgres pgbackrest --stanza=axiomdb --type=full backup

install -d -m 0750 -o postgres -g adm /var/log/axiomdb
cat >/etc/cron.d/pgbackrest <<'TEXT'
0 2 * * * postgres pgbackrest --stanza=axiomdb --type=full backup >>/var/log/axiomdb/backup.log 2>&1
0 * * * * postgres pgbackrest --stanza=axiomdb --type=incr backup >>/var/log/axiomdb/backup.log 2>&1
0 4 * * * postgres pgbackrest --stanza=axiomdb verify >>/var/log/axiomdb/backup-verify.log 2>&1
TEXT
cat >/etc/logrotate.d/axiomdb <<'TEXT'
/var/log/axiomdb/*.log {
  weekly
  rotate 12
  compress
  missingok
  notifempty
  su postgres adm
}
TEXT
systemctl enable --quiet --now cron
