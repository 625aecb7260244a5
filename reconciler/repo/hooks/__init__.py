"""The bare repository that people push to, and the hooks that go into it.

pre-receive checks what was pushed before any ref moves; post-receive says what becomes of it. The hooks are three
lines of shell: they call `trueup hook`, so that an upgrade of trueup is an upgrade of every repository's hooks.
"""

from .bare import make_bare
from .receive import NO_COMMIT, Pushed, options, own_repo, pushed

__all__ = ["NO_COMMIT", "Pushed", "make_bare", "options", "own_repo", "pushed"]
