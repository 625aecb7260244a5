"""trueup: keeps a fleet of Linux hosts as a Git repository says. Start reading at `line.py`."""

__version__ = "0.1.0"
