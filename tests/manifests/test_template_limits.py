"""A template ends in time, whatever it does with what it is given."""

from __future__ import annotations

import time

import pytest

from reconciler.manifests.templates import Failure, Templates

LONG = "a" * 500_000


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in range(90000) %}{{ vars.x.count('ab') }}{% endfor %}",
        "{% for i in range(90000) %}{{ vars.x | wordwrap(10) | length }}{% endfor %}",
        "{% set n = namespace(x=10 ** 60) %}{% for i in range(30) %}{% set n.x = n.x * n.x %}{% endfor %}{{ n.x % 7 }}",
    ],
)
def test_much_done_with_long_things_is_refused(text: str) -> None:
    started = time.process_time()
    with pytest.raises(Failure) as failure:
        Templates().render(text, host=None, variables={"x": LONG})
    assert "sandbox refuses" in failure.value.message
    assert time.process_time() - started < 60


def test_what_templates_do_is_let_through() -> None:
    text = "{% for i in range(500) %}{{ vars.names | join(', ') }}{{ i * 1024 * 1024 }}\n{% endfor %}{{ vars.x | indent(2) | length }}"
    assert Templates().render(text, host=None, variables={"x": LONG, "names": ["a", "b"] * 50})
