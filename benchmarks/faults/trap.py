"""A module that made-up runs name, so that whoever imports it is found out."""

raise SystemExit(99)
