"""DuckDB: what trueup remembers (the only home of duckdb and numpy). tables.sql is its documentation."""

from .duck import DuckStore

__all__ = ["DuckStore"]
