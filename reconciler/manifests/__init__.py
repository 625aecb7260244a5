"""Manifests: the text of a commit becomes `Desired`, or a list of all that is wrong with it.

The only home of yaml and jsonschema. The way through the room: reader (text → values with places), documents (which files,
validated by their kind's schema), inventory (Fleet, Host, Vars), resolve (what each manifest means on each host),
conflicts (what only shows when all are seen together), reading (all of it, in order).
"""

from .key import key_of
from .kinds import load_kinds
from .reading import Reading, read

__all__ = ["Reading", "key_of", "load_kinds", "read"]
