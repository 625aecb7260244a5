"""Selectors: what they pick, and the laws that hold for any of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.model import Host
from reconciler.manifests.selector import BadSelector, joined, parse

HOSTS = {
    name: Host(name=name, labels=labels)
    for name, labels in {
        "web-1": {"role": "web", "env": "prod"},
        "web-2": {"role": "web"},
        "db-1": {"role": "db", "legacy": "", "env": "stage"},
    }.items()
}


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("all", "db-1 web-1 web-2"),
        ("web-1", "web-1"),
        ("web-*", "web-1 web-2"),
        ("web-?", "web-1 web-2"),
        ("role=web", "web-1 web-2"),
        ("role==web", "web-1 web-2"),
        ("role = web , env = prod", "web-1"),
        ("role=web and env=prod", "web-1"),
        ("role in (web, db), !legacy", "web-1 web-2"),
        ("role notin (web)", "db-1"),
        ("env != prod", "db-1 web-2"),
        ("has(env)", "db-1 web-1"),
        ("!env", "web-2"),
        ("db-1 or role=web, has(env)", "db-1 web-1"),
        ("nobody", ""),
        ("role", ""),
    ],
)
def test_picks(text: str, picked: str) -> None:
    assert " ".join(parse(text).pick(HOSTS)) == picked


@pytest.mark.parametrize(
    ("text", "at"),
    [("", 0), ("  ", 0), ("role=", 5), ("web db", 4), ("role in web", 8), ("role in (", 9), ("(web)", 0), ("a,", 2), ("a or", 4),
     ("in", 0), ("!", 1), ("role=web-*", 5), ("a=b=c", 3), ("é", 0), ("has(", 4), ("********* ", 0)],
)  # fmt: skip
def test_says_where_it_went_wrong(text: str, at: int) -> None:
    with pytest.raises(BadSelector) as wrong:
        parse(text)
    assert wrong.value.at == at


WORDS = st.sampled_from(["a", "b", "web-1", "x.y", "1"])
TERMS = st.one_of(
    WORDS,
    st.just("all"),
    st.builds("{}={}".format, WORDS, WORDS),
    st.builds("{}!={}".format, WORDS, WORDS),
    st.builds("{} in ({}, {})".format, WORDS, WORDS, WORDS),
    st.builds("{} notin ({})".format, WORDS, WORDS),
    st.builds("has({})".format, WORDS),
    st.builds("!{}".format, WORDS),
)
FLEETS = st.dictionaries(WORDS, st.dictionaries(WORDS, WORDS, max_size=3), max_size=4).map(
    lambda fleet: {name: Host(name=name, labels=labels) for name, labels in fleet.items()}
)


@settings(max_examples=200)
@given(TERMS, TERMS, FLEETS)
def test_laws(one: str, other: str, hosts: dict[str, Host]) -> None:
    left, right = set(parse(one).pick(hosts)), set(parse(other).pick(hosts))
    assert set(parse(f"{one}, {other}").pick(hosts)) == left & right, "a comma means both"
    assert parse(f"{one} and {other}").pick(hosts) == parse(f"{one},{other}").pick(hosts), "`and` is a comma"
    assert set(parse(joined([one, other])).pick(hosts)) == left | right, "a list means any"
    assert parse(one).pick(hosts) == tuple(sorted(left)), "sorted, none twice"
    assert left == {name for name, host in hosts.items() if parse(one).matches(host)}, "pick and matches agree"


@settings(max_examples=200)
@given(WORDS, WORDS, FLEETS)
def test_negations_are_complements(key: str, value: str, hosts: dict[str, Host]) -> None:
    everybody = set(hosts)
    for yes, no in (
        (f"has({key})", f"!{key}"),
        (f"{key}={value}", f"{key}!={value}"),
        (f"{key} in ({value})", f"{key} notin ({value})"),
    ):
        assert set(parse(yes).pick(hosts)) == everybody - set(parse(no).pick(hosts))


@settings(max_examples=300)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text).pick(HOSTS)
    except BadSelector as bad:
        assert 0 <= bad.at <= len(text)
