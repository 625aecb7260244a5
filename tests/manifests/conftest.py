from __future__ import annotations

import pytest

from reconciler.core.kind import Kinds
from reconciler.manifests import load_kinds


@pytest.fixture(scope="session")
def kinds() -> Kinds:
    return load_kinds()
