"""The status page: what the fleet is, read from the same answers as the command line; GET and HEAD only."""

from .site import app

__all__ = ["app"]
