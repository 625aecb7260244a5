"""The order of rules by path finds what asking each rule would find."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from reconciler.systems.sites.rules import redirects
from reconciler.systems.sites.rules.order import Order
from reconciler.systems.sites.rules.pattern import Dialect

PIECES = st.lists(st.sampled_from(("a", "b", ":x", "*", "é", "", "%61", "a%2Fb", "a*", "a:x")), max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)
DIALECTS: st.SearchStrategy[Dialect] = st.sampled_from(("netlify", "cloudflare"))


@given(dialect=DIALECTS, froms=st.lists(PIECES, max_size=8), path=PIECES, before=st.none() | st.integers(0, 8))
def test_the_order_is_that_of_the_file(dialect: Dialect, froms: list[str], path: str, before: int | None) -> None:
    rules, _ = redirects.parse("\n".join(f"{each} /to" for each in froms), "_redirects", dialect)
    asked = [
        at for at, rule in enumerate(rules) if rule.source.match(path) is not None and (before is None or at < before)
    ]
    assert list(Order(rules).matching(path, before)) == asked


def test_a_move_of_thousands_of_folders_is_read_at_once() -> None:
    """Each rule is asked about by those behind it: all of all would be sixteen million patterns, and took half a minute."""
    rules, _ = redirects.parse("\n".join(f"/old{at}/* /new{at}/:splat" for at in range(4_000)), "_redirects", "netlify")
    started = time.process_time()
    order = Order(rules)
    assert all(list(order.matching(f"/old{at}/x")) == [at] for at in range(4_000))
    assert time.process_time() - started < 2
