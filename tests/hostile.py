"""Bad input, for whoever is sent some: JSON of all kinds, names that mean something, and how much of it to try."""

from __future__ import annotations

import os

from hypothesis import strategies as st

MOST = int(os.environ.get("TRUEUP_TEST_EXAMPLES", "300"))
"""Examples of one test: `make soak` asks for thousands."""

KEYS = st.sampled_from(
    [
        "state",
        "absent",
        "unknown",
        "format",
        "kind",
        "name",
        "host",
        "path",
        "content",
        "sealed",
        "__class__",
        "",
        "\x00",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["\x1b[2J", "\u202e", "\ud800", "../../etc/passwd", "' OR 1=1 --", "{{ 7*7 }}", "web-2", "x" * 5000]
    ),
)
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.integers(-(10**40), 10**40), st.floats(), TEXTS,
        st.sampled_from([1e308, -0.0, 2**63, 2**64, 10**400]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, TEXTS), inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip
"""Any JSON and what only Python's writer makes (NaN, infinities, numbers beyond all bounds)."""
