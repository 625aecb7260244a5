"""What may land: the rules of a push, with a judge of the test's own on real repositories."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from reconciler.acts.pushing import post_receive, pre_receive
from reconciler.core.problem import Problem, Refused
from reconciler.ports import Files
from reconciler.repo import GitRepo
from reconciler.repo.hooks import NO_COMMIT, Pushed, options, pushed

MakeGit = Callable[..., Any]


def judge(files: Files) -> tuple[Problem, ...]:
    """A file whose first word is `bad` is an error, `odd` a warning, each with its place."""
    found = []
    for path in files.paths():
        for number, line in enumerate(files.read(path).decode().splitlines(), 1):
            word = line.partition(" ")[0]
            if word in ("bad", "odd"):
                found.append(
                    Problem(
                        code=word,
                        message=line.partition(" ")[2],
                        path=path,
                        line=number,
                        column=1,
                        severity="error" if word == "bad" else "warning",
                        hint="write it otherwise",
                    )
                )
    return tuple(found)


class Push:
    """One push of `work` as the hook sees it, without a git push around it."""

    def __init__(self, git: Any) -> None:
        self.git = git
        self.said: list[str] = []

    def __call__(
        self, *pushes: Pushed, asked: Iterable[str] = (), plan: Callable[[Files], Iterable[str]] = lambda files: ()
    ) -> bool:
        self.said.clear()
        repo = GitRepo(self.git.folder)
        return pre_receive(repo, pushes, tuple(asked), check=judge, plan=plan, say=self.said.append)

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def push(make_git: MakeGit) -> Push:
    return Push(make_git())


def main(old: str, new: str) -> Pushed:
    return Pushed(old, new, "refs/heads/main")


def test_a_good_commit_lands_and_says_what_was_checked(push: Push) -> None:
    first = push.git.commit("first", a="good", b="odd this never fires")
    assert push(main("", first)) is True
    assert push.said[0].startswith("trueup: 2 files checked in 0.") and push.said[0].endswith(": 0 errors, 1 warning")
    assert push.said[1:] == ["warning: b:1:1 this never fires"]


def test_a_commit_with_errors_is_refused_with_all_of_them_and_says_what_holds(push: Push) -> None:
    first = push.git.commit("first", a="good")
    second = push.git.commit("second", a="bad no such field", b="good\nbad mode is a number")
    assert push(main(first, second)) is False
    assert push.said[1:] == [
        "error: a:1:1 no such field",
        "hint: write it otherwise",
        "error: b:2:1 mode is a number",
        "hint: write it otherwise",
        "hint: correct it, git commit --amend, then push again",
        f"error: refused, 2 errors; the fleet stays on {first[:7]}",
    ]


def test_only_the_tip_counts_a_bad_commit_below_a_good_one_lands(push: Push) -> None:
    push.git.commit("first", a="bad")
    second = push.git.commit("second", a="good")
    assert push(main("", second)) is True


def test_another_branch_is_let_in_with_warnings(push: Push) -> None:
    bad = push.git.commit("first", **{f"f{number}": "bad really" for number in range(9)})
    assert push(Pushed("", bad, "refs/heads/ada/wip")) is True
    assert "warning: f0:1:1 really" in push.said and "error" not in push.text.replace("errors", "")
    assert "  and 4 more: trueup check --rev ada/wip" in push.said
    assert push.said[-1] == "warning: ada/wip is let in; on main it would be refused"


def test_one_bad_ref_refuses_the_whole_push(push: Push) -> None:
    good = push.git.commit("first", a="good")
    bad = push.git.commit("second", a="bad")
    assert push(Pushed("", good, "refs/heads/other"), main("", bad)) is False
    assert push(main("", bad), Pushed("", good, "refs/heads/other")) is False


def test_tags_and_notes_pass(push: Push) -> None:
    bad = push.git.commit("first", a="bad")
    assert push(Pushed("", bad, "refs/tags/v1"), Pushed("", bad, "refs/notes/x"), Pushed(bad, "", "refs/heads/old"))
    assert push.said == []


def test_the_followed_branch_can_not_be_deleted(push: Push) -> None:
    first = push.git.commit("first")
    assert push(main(first, "")) is False
    assert push.said[0] == "error: main is what the fleet follows: it can't be deleted"


def test_a_force_push_is_let_in_and_named(push: Push) -> None:
    first = push.git.commit("first")
    second = push.git.commit("second")
    push.git("reset", "-q", "--hard", first)
    other = push.git.commit("other")
    assert push(main(second, other)) is True
    assert f"warning: a force-push: {second[:7]} is not before {other[:7]}" in push.said


def test_asked_for_a_plan_it_shows_it_and_declines(push: Push) -> None:
    first = push.git.commit("first", a="good")
    assert push(main("", first), asked=["plan"], plan=lambda files: [f"the plan of {files.commit.short}"]) is False
    assert push.said[1] == f"the plan of {first[:7]}"
    assert push.said[2].startswith("trueup: only planned")


def test_a_plan_that_can_not_be_made_is_said(push: Push) -> None:
    def fails(files: Files) -> Iterable[str]:
        raise Refused(Problem(code="state-locked", message="the state is held by process 7", hint="wait"))

    first = push.git.commit("first", a="good")
    assert push(main("", first), asked=["plan"], plan=fails) is False
    assert "error: the state is held by process 7" in push.said


def test_an_unknown_option_is_named_and_hurts_nothing(push: Push) -> None:
    first = push.git.commit("first", a="good")
    assert push(main("", first), asked=["ci.skip"]) is True
    assert push.said[0].startswith("warning: push option 'ci.skip' is not one of trueup's")


def test_a_commit_that_is_not_here_is_refused(push: Push) -> None:
    assert push(main("", "1" * 40)) is False
    assert any(line.startswith("error: ") for line in push.said)


def test_thousands_of_errors_are_a_page_and_a_number(push: Push) -> None:
    first = push.git.commit("first", a="\n".join(["bad x"] * 5000))
    assert push(main("", first)) is False
    assert len(push.said) < 250 and "hint: and 4,800 more: run trueup check" in push.said
    assert push.said[-1] == "error: refused, 5,000 errors; the fleet has no commit yet"


def test_every_line_is_narrow_plain_and_harmless(push: Push) -> None:
    nasty = "bad \x1b[31m" + "long words without an end " * 20 + "x" * 200 + "\rremote: success"
    first = push.git.commit("first", a=nasty)
    push(main("", first))
    for line in push.said:
        assert len(line) <= 72 and line.isprintable(), line
        assert not line.startswith("success")


# ---------------------------------------------------------------- what git gives


def test_stdin_lines_and_options_of_git() -> None:
    one, two = "1" * 40, "2" * 40
    lines = [
        f"{NO_COMMIT} {one} refs/heads/main\n",
        f"{one} {two} refs/heads/a b\n",
        f"{one} {NO_COMMIT} refs/tags/t\n",
        "rubbish\n",
        "\n",
    ]
    assert pushed(lines) == (
        Pushed("", one, "refs/heads/main"),
        Pushed(one, two, "refs/heads/a b"),
        Pushed(one, "", "refs/tags/t"),
    )
    assert [push.branch for push in pushed(lines)] == ["main", "a b", ""]
    assert options({"GIT_PUSH_OPTION_COUNT": "2", "GIT_PUSH_OPTION_0": "plan", "GIT_PUSH_OPTION_1": "wait"}) == (
        "plan",
        "wait",
    )
    assert options({}) == options({"GIT_PUSH_OPTION_COUNT": "x"}) == ()


def test_afterwards_it_says_how_to_follow_and_never_fails(tmp_path: Path) -> None:
    said: list[str] = []
    commit = "a" * 40

    def watch(commit: str) -> Any:
        raise Refused(Problem(code="no-daemon", message="no trueup serve answers here", hint="start it"))

    landed = (main("", commit), Pushed("", "b" * 40, "refs/heads/other"))
    post_receive("main", landed, [], watch=watch, say=said.append)
    assert said == ["trueup: accepted aaaaaaa; to follow it: trueup wait aaaaaaa"]
    said.clear()
    post_receive("main", landed, ["wait"], watch=watch, say=said.append)
    assert said[1].startswith("warning: no trueup serve answers here")
    said.clear()
    post_receive("main", (Pushed(commit, "", "refs/heads/main"), landed[1]), ["wait"], watch=watch, say=said.append)
    assert said == []
