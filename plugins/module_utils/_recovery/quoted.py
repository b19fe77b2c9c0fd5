# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of databases and texts, quoted for whoever reads them: none of them means another database, a pattern, or another server. Pure."""

from __future__ import annotations


def identifier(name: str) -> str:
    """A name in SQL. In a pattern of PostgreSQL's programs it stands for itself as well, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL, whatever the settings say of backslashes."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def connection(name: str) -> str:
    """What `--dbname` takes for a connection to this database: a name with a '=' in it would be one to anywhere."""
    text = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{text}'"
