"""The order of rules by path finds what asking each rule would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.systems.sites.rules import redirects
from reconciler.systems.sites.rules.order import Order
from reconciler.systems.sites.rules.pattern import Dialect

PIECES = st.lists(st.sampled_from(("a", "b", ":x", "*", "é", "")), max_size=3).map(lambda parts: "/" + "/".join(parts))
DIALECTS: st.SearchStrategy[Dialect] = st.sampled_from(("netlify", "cloudflare"))


@given(dialect=DIALECTS, froms=st.lists(PIECES, max_size=8), path=PIECES, before=st.none() | st.integers(0, 8))
def test_the_order_is_that_of_the_file(dialect: Dialect, froms: list[str], path: str, before: int | None) -> None:
    rules, _ = redirects.parse("\n".join(f"{each} /to" for each in froms), "_redirects", dialect)
    asked = [
        at for at, rule in enumerate(rules) if rule.source.match(path) is not None and (before is None or at < before)
    ]
    assert list(Order(rules).matching(path, before)) == asked
