"""Content of a site that isn't in the fleet's repository: another repository, an archive, a bucket.

Each is turned into a Git tree in one repository of our own, so that all that comes after knows trees and blobs only. A
plan reads what is `known`, without the network; the daemon calls `refresh` at its rhythm and before a new commit is
looked at. `Outside` is all that a kind needs.
"""

from .keeper import Sources
from .names import Limits
from .port import Outside, Resolved, Trouble
from .spec import ArchiveSource, BucketSource, GitSource, Source, key_of, source_of
from .troubles import CODES
from .trust import Trust

__all__ = [
    "CODES",
    "ArchiveSource",
    "BucketSource",
    "GitSource",
    "Limits",
    "Outside",
    "Resolved",
    "Source",
    "Sources",
    "Trouble",
    "Trust",
    "key_of",
    "source_of",
]
