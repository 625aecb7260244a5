"""A site as it lies on this machine, for whoever writes it: found, read, judged, and read anew when a file changes.

web/preview.py serves what is read here; by which rules, rules/answer.py says.
"""
