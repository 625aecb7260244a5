"""Packages of the host's own package manager."""
