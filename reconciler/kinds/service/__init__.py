"""A service of the host's init: systemd, or init scripts."""
