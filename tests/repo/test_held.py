"""Which commit is held, on real repositories: good and bad commits in every order, and after a force-push."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.repo import GitRepo, Verdicts, held

MakeGit = Callable[..., Any]


class Judge:
    """A commit is good when its subject says so; remembers what it was asked."""

    def __init__(self, repo: GitRepo) -> None:
        self.repo = repo
        self.asked: list[str] = []

    def __call__(self, commit: str) -> bool:
        self.asked.append(commit)
        return self.repo.commit(commit).subject.startswith("good")


@pytest.mark.parametrize(
    ("pushed", "holds"),
    [
        (["good"], "good"),
        (["good A", "bad B"], "good A"),
        (["good A", "bad B", "bad C"], "good A"),
        (["good A", "bad B", "good C"], "good C"),
        (["bad A", "good B", "bad C"], "good B"),
        (["bad A", "bad B"], ""),
        ([], ""),
    ],
)
def test_the_newest_good_commit_is_held(make_git: MakeGit, pushed: list[str], holds: str) -> None:
    git = make_git()
    for subject in pushed:
        git.commit(subject)
    repo = GitRepo(git.folder)
    found = held(repo, Judge(repo))
    assert (repo.commit(found).subject if found else "") == holds


def test_after_a_force_push_the_new_tips_line_decides(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("good A")
    git.commit("good B")
    repo = GitRepo(git.folder)
    judge = Verdicts(Judge(repo))
    assert repo.commit(held(repo, judge)).subject == "good B"
    git("reset", "-q", "--hard", "HEAD~1")
    git.commit("bad C")
    assert repo.commit(held(repo, judge)).subject == "good A"


def test_a_good_commit_that_was_merged_in_is_not_on_the_line(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("good A")
    git("checkout", "-q", "-b", "side")
    git.commit("good S", s="s")
    git("checkout", "-q", "main")
    git.commit("bad B", b="b")
    git("merge", "-q", "--no-ff", "-m", "bad merge", "side")
    repo = GitRepo(git.folder)
    assert repo.commit(held(repo, Judge(repo))).subject == "good A"


def test_the_way_back_is_bounded_and_stops_at_the_first_yes(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("good A")
    for number in range(6):
        git.commit(f"bad {number}")
    repo = GitRepo(git.folder)
    judge = Judge(repo)
    assert held(repo, judge, limit=5) == "" and len(judge.asked) == 5
    git.commit("good Z")
    judge.asked.clear()
    held(repo, judge)
    assert len(judge.asked) == 1


def test_a_commit_is_judged_once(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("good A")
    git.commit("bad B")
    repo = GitRepo(git.folder)
    judge = Judge(repo)
    verdicts = Verdicts(judge)
    for _ in range(3):
        held(repo, verdicts)
    assert len(judge.asked) == 2


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(goods=st.lists(st.booleans(), max_size=6))
def test_law_what_is_held_is_good_and_nothing_good_is_newer(
    tmp_path_factory: pytest.TempPathFactory, goods: list[bool]
) -> None:
    line = [f"{number:040x}" for number in range(len(goods))][::-1]
    good = dict(zip(line, reversed(goods), strict=True))

    class Line:
        def tip(self) -> str:
            return line[0] if line else ""

        def first_parents(self, rev: str, limit: int = 1000) -> Any:
            return iter(line[:limit])

    found = held(Line(), good.__getitem__)  # type: ignore[arg-type]
    if found:
        assert good[found] and not any(good[newer] for newer in line[: line.index(found)])
    else:
        assert not any(goods)
