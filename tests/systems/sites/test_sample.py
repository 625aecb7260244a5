"""Which files of a release are read at each look."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.systems.sites.kinds.site import meaning

TREES = st.integers(0, 200).map(lambda many: {f"f{number:03}.html": f"{number:040x}" for number in range(many)})


@given(TREES, st.text(max_size=20))
def test_it_is_some_of_the_release_and_the_same_at_each_look(files: dict[str, str], host: str) -> None:
    text = meaning.tree_text(files)
    found = meaning.sample(text, host)
    assert found == meaning.sample(text, host)
    assert found.items() <= files.items()
    assert len(found) == min(len(files), meaning.SAMPLE)


def test_all_of_a_release_is_read_somewhere_in_a_fleet() -> None:
    files = {f"f{number:03}.html": f"{number:040x}" for number in range(160)}
    text = meaning.tree_text(files)
    read = [meaning.sample(text, f"web-{number}") for number in range(200)]
    assert {path for one in read for path in one} == files.keys()


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1), st.just("0" * 40)
    )
)
def test_a_tree_is_read_as_it_was_written(files: dict[str, str]) -> None:
    """A name with what Unicode takes for the end of a line (U+2028) made two files of one, and no host took the release."""
    text = meaning.tree_text(files)
    assert meaning.files_of(text) == files
    assert meaning.sample(text, "web-1").keys() <= files.keys()
