# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one engine of decisions. Floors 1 to 4 are pure; floor 5 (`run`, `files`, `host`, `postgres`, `repository`) touches the host."""
