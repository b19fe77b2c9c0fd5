# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The options of a pgBackRest configuration file, 2.45 to 2.60, as data.

Sources: the binaries 2.45, 2.55.1 and 2.60.0 (the recorded outputs under tests/unit/recorded) and the release notes between them.

One line is one option: its name, what it takes, and the release that it arrived in when that is later than 2.45.

- Options of the groups `repo` and `pg` are written with index 1; every index from 1 to 256 is valid.
- `stanza`: only in a stanza's section. `secret`: pgBackRest refuses it on its command line. `beta`: needs beta=y before 2.46.
- `one-of` lists the values, `..` is an inclusive range, `@2.46` the release that brought an option, a value or, after `|`, another range.
- The line in brackets above a group has the commands that read its options.
"""

from __future__ import annotations

from typing import Final

COMMANDS: Final = (
    "annotate archive-get archive-push backup check expire info repo-get repo-ls restore server server-ping stanza-create "
    "stanza-delete stanza-upgrade start stop verify"
)
# Names for sets of commands in the table; `-` takes one out again.
SETS: Final[dict[str, str]] = {
    "all": COMMANDS,
    "repository": " ".join(name for name in COMMANDS.split() if name not in ("server", "server-ping", "start", "stop")),
    "postgresql": "backup check stanza-create stanza-delete stanza-upgrade",
}

TABLE: Final = """
[all]
allow-root                        boolean @2.59
beta                              boolean
log-level-console                 one-of off error warn info detail debug trace
log-level-file                    one-of off error warn info detail debug trace
log-level-stderr                  one-of off error warn info detail debug trace
log-path                          path
log-timestamp                     boolean
priority                          integer -20..19 @2.58

[repository server server-ping]
buffer-size                       size one-of 16KiB 32KiB 64KiB 128KiB 256KiB 512KiB 1MiB 2MiB 4MiB 8MiB 16MiB
io-timeout                        time 100ms..1h
sck-block                         boolean
sck-keep-alive                    boolean
tcp-keep-alive-count              integer 1..32
tcp-keep-alive-idle               integer 1..3600
tcp-keep-alive-interval           integer 1..900
tls-cipher-12                     text @2.58
tls-cipher-13                     text @2.58

[repository]
cmd-ssh                           text
compress-level-network            integer 0..9 | integer -5..12 @2.55
log-subprocess                    boolean
repo1-azure-account               secret text
repo1-azure-container             text
repo1-azure-endpoint              secret text
repo1-azure-key                   secret text
repo1-azure-key-type              one-of shared sas auto@2.58
repo1-azure-uri-style             one-of host path
repo1-cipher-pass                 secret text
repo1-cipher-type                 one-of none aes-256-cbc
repo1-gcs-bucket                  text
repo1-gcs-endpoint                text
repo1-gcs-key                     secret text
repo1-gcs-key-type                one-of auto service token web-id@2.60
repo1-gcs-user-project            text @2.55
repo1-host                        text
repo1-host-ca-file                text
repo1-host-ca-path                text
repo1-host-cert-file              text
repo1-host-cmd                    text
repo1-host-config                 path
repo1-host-config-include-path    path
repo1-host-config-path            path
repo1-host-key-file               text
repo1-host-port                   integer 0..65535
repo1-host-type                   one-of ssh tls
repo1-host-user                   text
repo1-path                        path
repo1-s3-bucket                   text
repo1-s3-endpoint                 text
repo1-s3-key                      secret text
repo1-s3-key-secret               secret text
repo1-s3-key-type                 one-of shared auto web-id pod-id@2.58 process@2.59
repo1-s3-kms-key-id               text
repo1-s3-process-cmd              list @2.59
repo1-s3-region                   text
repo1-s3-requester-pays           boolean @2.55
repo1-s3-role                     text
repo1-s3-service                  text @2.59
repo1-s3-sse-customer-key         secret text @2.52
repo1-s3-sts-host                 text @2.59
repo1-s3-token                    secret text
repo1-s3-uri-style                one-of host path
repo1-sftp-host                   text @2.46
repo1-sftp-host-fingerprint       text @2.46
repo1-sftp-host-key-check-type    one-of strict accept-new fingerprint none @2.48
repo1-sftp-host-key-hash-type     one-of md5 sha1 sha256 @2.46
repo1-sftp-host-port              integer 1..65535 @2.46
repo1-sftp-host-user              text @2.46
repo1-sftp-known-host             list @2.48
repo1-sftp-private-key-file       text @2.46
repo1-sftp-private-key-passphrase secret text @2.46
repo1-sftp-public-key-file        text @2.46
repo1-storage-ca-file             text
repo1-storage-ca-path             path
repo1-storage-host                text
repo1-storage-port                integer 1..65535
repo1-storage-prefetch            integer 0..1024 @2.60
repo1-storage-read-over           size 0..1MiB @2.60
repo1-storage-tag                 pairs @2.48
repo1-storage-upload-chunk-size   size 64KiB..1TiB | size 4MiB..1GiB @2.58
repo1-storage-verify-tls          boolean
repo1-type                        one-of azure cifs gcs posix s3 sftp@2.46

[repository server]
protocol-timeout                  time 100ms..7d

[all -info -server -server-ping]
neutral-umask                     boolean

[annotate archive-get archive-push backup expire info restore stanza-create stanza-delete stanza-upgrade start stop]
lock-path                         path

[postgresql]
db-timeout                        time 100ms..7d
pg1-database                      stanza text
pg1-host-ca-file                  text
pg1-host-ca-path                  text
pg1-host-cert-file                text
pg1-host-cmd                      stanza text
pg1-host-config                   stanza path
pg1-host-config-include-path      stanza path
pg1-host-config-path              stanza path
pg1-host-key-file                 text
pg1-host-port                     stanza integer 0..65535
pg1-host-type                     one-of ssh tls
pg1-host-user                     stanza text
pg1-port                          stanza integer 0..65535
pg1-socket-path                   stanza path | text @2.55
pg1-user                          stanza text

[postgresql archive-get archive-push restore]
pg1-host                          stanza text
pg1-path                          stanza path

[postgresql archive-get archive-push restore verify]
pg-version-force                  stanza text

[archive-get archive-push backup restore verify]
cmd                               text
job-retry                         integer 0..360
job-retry-interval                time 0..15m
process-max                       integer 1..999

[archive-get archive-push backup check]
archive-timeout                   time 100ms..1d

[archive-get archive-push restore]
spool-path                        path

[archive-get archive-push]
archive-async                     boolean

[archive-get]
archive-get-queue-max             size 0..4PiB
archive-missing-retry             boolean

[archive-push]
archive-header-check              boolean
archive-push-batch-size           size 1MiB..4PiB @2.59
archive-push-queue-max            size 0..4PiB

[archive-push backup]
compress-level                    integer -7..22
compress-type                     one-of none bz2 gz lz4 zst

[archive-push backup check]
archive-check                     boolean
archive-mode-check                boolean

[annotate backup]
annotation                        pairs

[backup]
archive-copy                      boolean
checksum-page                     boolean
exclude                           list
expire-auto                       boolean
manifest-save-threshold           size 1..1TiB
page-header-check                 boolean @2.46
repo1-block                       beta boolean
repo1-block-age-map               beta pairs
repo1-block-checksum-size-map     beta pairs
repo1-block-size-map              beta pairs
repo1-block-size-super            beta size 32KiB..16MiB
repo1-block-size-super-full       beta size 32KiB..16MiB
repo1-bundle                      boolean
repo1-bundle-limit                size 8KiB..1PiB
repo1-bundle-size                 size 1MiB..1PiB
repo1-hardlink                    boolean
resume                            boolean
start-fast                        boolean

[backup check]
backup-standby                    one-of y n prefer@2.54

[backup restore]
delta                             boolean

[backup expire]
repo1-retention-archive           integer 1..9999999
repo1-retention-archive-type      one-of full diff incr
repo1-retention-diff              integer 1..9999999
repo1-retention-full              integer 1..9999999
repo1-retention-full-type         one-of count time
repo1-retention-history           integer 0..9999999
repo1-symlink                     boolean @2.57

[backup expire restore]
checksum-page-error               boolean @2.60

[restore]
archive-mode                      one-of off preserve
db-exclude                        list
db-include                        list
link-all                          boolean
link-map                          pairs
recovery-option                   pairs
tablespace-map                    pairs
tablespace-map-all                text

[server]
tls-server-auth                   pairs
tls-server-ca-file                path
tls-server-cert-file              path
tls-server-key-file               path

[server server-ping]
tls-server-address                text
tls-server-port                   integer 1..65535
"""

# Commands that read an option in fewer (-) or more (+) cases up to the release named; recorded for 2.45, 2.55 and 2.60 only.
EARLIER_COMMANDS: Final[tuple[tuple[str, str, str], ...]] = (
    ("2.55", "cmd", "+check +expire +info +repo-get +repo-ls +stanza-create +stanza-delete +stanza-upgrade"),
    ("2.55", "cmd-ssh", "-annotate"),
    ("2.55", "db-timeout", "+archive-get +archive-push +expire +repo-get +repo-ls"),
    ("2.55", "pg1-host-ca-file pg1-host-ca-path pg1-host-cert-file pg1-host-key-file pg1-host-type", "+archive-get +archive-push +restore"),
    ("2.45", "cmd cmd-ssh compress-level-network db-timeout log-subprocess protocol-timeout", "-expire"),
    ("2.45", "repo1-host-cmd repo1-host-config repo1-host-config-include-path repo1-host-config-path", "-backup -expire"),
    ("2.45", "repo1-host-port repo1-host-user", "-backup -expire"),
)

# pgBackRest warns of these in a file and ignores them; with repo-target-time in a file each command that reads it fails (031).
COMMAND_LINE: Final = frozenset(
    (
        "archive-expire-before cipher-pass config config-include-path config-path detail-level dry-run exec-id filter force help "
        "ignore-missing oldest online output pg process raw recurse reference remote-type repo repo-target-time report set sort stanza "
        "target target-action target-exclusive target-timeline type verbose version"
    ).split()
)

# Names that pgBackRest still takes for these options; a blank means that nothing is left of the option.
OUTDATED: Final[dict[str, str]] = {
    "archive-queue-max": "archive-push-queue-max",
    "backup-cmd": "repo1-host-cmd",
    "backup-config": "repo1-host-config",
    "backup-host": "repo1-host",
    "backup-ssh-port": "repo1-host-port",
    "backup-user": "repo1-host-user",
    "compress": "compress-type",
    "db-cmd": "pg1-host-cmd",
    "db-config": "pg1-host-config",
    "db-host": "pg1-host",
    "db-path": "pg1-path",
    "db-port": "pg1-port",
    "db-socket-path": "pg1-socket-path",
    "db-ssh-port": "pg1-host-port",
    "db-user": "pg1-host-user",
    "hardlink": "repo1-hardlink",
    "repo1-azure-ca-file": "repo1-storage-ca-file",
    "repo1-azure-ca-path": "repo1-storage-ca-path",
    "repo1-azure-host": "repo1-storage-host",
    "repo1-azure-port": "repo1-storage-port",
    "repo1-azure-verify-tls": "repo1-storage-verify-tls",
    "repo1-s3-ca-file": "repo1-storage-ca-file",
    "repo1-s3-ca-path": "repo1-storage-ca-path",
    "repo1-s3-host": "repo1-storage-host",
    "repo1-s3-port": "repo1-storage-port",
    "repo1-s3-verify-ssl": "repo1-storage-verify-tls",
    "repo1-s3-verify-tls": "repo1-storage-verify-tls",
    "retention-archive": "repo1-retention-archive",
    "retention-archive-type": "repo1-retention-archive-type",
    "retention-diff": "repo1-retention-diff",
    "retention-full": "repo1-retention-full",
    "stop-auto": "",
}

# Levels by compress-type: pgBackRest looks at them when it compresses, so a wrong one first stops archiving.
LEVELS: Final[dict[str, tuple[int, int]]] = {"bz2": (1, 9), "gz": (-1, 9), "lz4": (-5, 12), "zst": (-7, 22)}

# What people write when they mean one of pgBackRest's options.
MEANT: Final[dict[str, str]] = {
    "compression": "compress-type",
    "compression-level": "compress-level",
    "compress-algorithm": "compress-type",
    "data-directory": "pg1-path",
    "encryption": "repo1-cipher-type",
    "jobs": "process-max",
    "parallel": "process-max",
    "retention": "repo1-retention-full",
    "socket": "pg1-socket-path",
    "threads": "process-max",
}

# PostgreSQL settings that end up in this file by mistake, and the role that writes them.
POSTGRESQL: Final[dict[str, str]] = {
    **dict.fromkeys("archive_command archive_library archive_mode archive_timeout wal_level".split(), "wal_archiving"),
    **dict.fromkeys(
        (
            "archive_cleanup_command checkpoint_timeout data_checksums full_page_writes hot_standby listen_addresses max_replication_slots "
            "max_wal_senders max_wal_size min_wal_size primary_conninfo recovery_end_command restore_command shared_buffers "
            "synchronous_commit "
            "wal_compression wal_keep_segments wal_keep_size wal_log_hints"
        ).split(),
        "postgresql",
    ),
}
