# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Records again what `pgbackrest verify` says of a repository that is damaged in different ways:

    python3 tests/unit/record_verify.py CONTAINER...

Each container is a throw-away host of `make sandbox` on which site.yml ran and a second full backup was taken. The repository is
put back after each case. The exit code is part of the record: it is 0 in all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
COMMAND = "pgbackrest --stanza=axiomdb --repo=1 --log-level-console=off --log-level-stderr=warn verify --output=text --verbose"
FLIP = "import sys; p = sys.argv[1]; b = bytearray(open(p, 'rb').read()); b[len(b) // 2] ^= 255; open(p, 'r+b').write(b)"
CASES = {
    "clean": "true",
    "flipped-bundle": 'python3 -c "$FLIP" $(find backup -path "*F/bundle/*" | sort | head -n 1)',
    "flipped-wal": 'python3 -c "$FLIP" $(find archive -name "0*.zst" | sort | sed -n 3p)',
    "lost-manifest": "rm $(find backup -name 'backup.manifest*' -path '*F/*' | sort | head -n 2)",
    "lost-wal": 'rm $(find archive -name "0*.zst" | sort | sed -n 3p)',
    "lost-backup-info": "rm backup/axiomdb/backup.info*",
    "lost-archive-info": "rm archive/axiomdb/archive.info*",
    "unreadable": "chmod 000 /var/lib/pgbackrest",
}


def main(containers: list[str]) -> None:
    """Damage, record, put back."""
    for container in containers:
        version = _in(container, "pgbackrest version", {}).stdout.split()[-1]
        for name, damage in CASES.items():
            _in(container, "rm -rf /root/kept && cp -a /var/lib/pgbackrest /root/kept", {})
            _in(container, f"cd /var/lib/pgbackrest && {damage}", {"FLIP": FLIP})
            done = _in(container, f"su postgres -c '{COMMAND}'", {})
            _in(container, "rm -rf /var/lib/pgbackrest && cp -a /root/kept /var/lib/pgbackrest && rm -rf /root/kept", {})
            record = {"command": COMMAND, "rc": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
            (RECORDED / version / f"verify-{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _in(container: str, command: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    variables = [word for key, value in environment.items() for word in ("-e", f"{key}={value}")]
    return subprocess.run(["docker", "exec", *variables, container, "bash", "-c", command], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main(sys.argv[1:])
