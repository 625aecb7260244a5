"""Queries over the state file that are about sites."""
