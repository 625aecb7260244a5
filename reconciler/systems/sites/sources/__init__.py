"""Content of a site that isn't in the fleet's repository: another repository, an archive, a bucket.

Each is turned into a Git tree in one repository of our own, so that all that comes after knows trees and blobs only. A
plan reads what is `known`, without the network; the daemon calls `refresh` at its rhythm and before a new commit is
looked at. `port.Outside` is all that a kind needs; `keeper.Sources` is what does it. Nothing is imported here: every
command loads the kinds and their codes, few read a source.
"""
