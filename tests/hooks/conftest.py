from __future__ import annotations

from tests.gits import make_git as make_git
from tests.gits import own_git_world as own_git_world
