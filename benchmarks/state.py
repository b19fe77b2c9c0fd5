# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on a host as root and prints, as JSON, the state that both sides of the comparison must have reached."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

QUERIES = {
    "settings": "select name, setting from pg_settings where source = 'configuration file' or name = 'data_checksums'",
    "access": "select row_number() over (), type, database, user_name, address, auth_method from pg_hba_file_rules",
    "roles": "select rolname, rolsuper, rolcanlogin, left(rolpassword, 13) from pg_authid where rolname !~ '^pg_'",
    "databases": "select datname, pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate from pg_database",
}
FILES = ("/etc/pgbackrest/conf.d/90-secrets.conf", "/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest.conf")


def as_postgres(*command: str) -> str:
    """Return what a command prints that runs as postgres."""
    drop = ("setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups")
    return subprocess.run([*drop, *command], cwd="/", capture_output=True, text=True, check=True).stdout


def rows(query: str) -> list[str]:
    """Return the rows of a query, sorted."""
    return sorted(as_postgres("psql", "-XAtq", "-d", "postgres", "-c", query).splitlines())


def configuration() -> dict[str, dict[str, str]]:
    """Return pgBackRest's options without the secrets."""
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.read(FILES[1])
    return {section: dict(parser[section]) for section in parser.sections()}


def repository() -> dict[str, Any]:
    """Return what pgBackRest itself says about the stanza."""
    [stanza] = json.loads(as_postgres("pgbackrest", "--output=json", "info"))
    return {
        "stanza": stanza["name"],
        "status": stanza["status"]["code"],
        "cipher": stanza["cipher"],
        "backups": [backup["type"] for backup in stanza["backup"]],
        "archived": bool(stanza["archive"][0]["max"]),
    }


def schedule() -> dict[str, Any]:
    """Return when cron starts something for the repository, the heartbeat apart, and whether cron runs."""
    lines = Path("/etc/cron.d/pgbackrest").read_text(encoding="utf-8").splitlines()
    times = sorted(" ".join(line.split()[:5]) for line in lines if " postgres " in line and "heartbeat" not in line)
    cron = subprocess.run(["systemctl", "is-active", "--quiet", "cron"], check=False)
    return {"times": times, "cron": cron.returncode, "rotation": Path("/etc/logrotate.d/axiomdb").exists()}


def modes() -> dict[str, str]:
    """Return owner and mode of the files that matter."""
    found = {}
    for name in FILES:
        info = os.stat(name) if Path(name).exists() else None
        found[name] = f"{info.st_uid} {info.st_mode:o} {bool(info.st_gid)}" if info else "absent"
    return found


def main() -> None:
    """Print the state."""
    state: dict[str, Any] = {name: rows(query) for name, query in QUERIES.items()}
    state |= {"configuration": configuration(), "repository": repository(), "modes": modes(), "schedule": schedule()}
    sys.stdout.write(json.dumps(state) + "\n")


main()
