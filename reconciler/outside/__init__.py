"""Content that isn't in the fleet's repository: another repository, an archive, a bucket. Open to every kind.

Each is turned into a Git tree in one repository of our own, so that all that comes after knows trees and blobs only. A
plan reads what is `known`, without the network; the daemon calls `refresh` at its rhythm. `ports.Outside` is all that the
line needs; `keeper.Sources` is what does it. The only home of fsspec. Nothing is imported here: every command that reads
manifests has this room at hand, few read a source.
"""
