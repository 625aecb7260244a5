"""The controller's own settings: every key and variable, and each wrong one told with its place."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from reconciler.core.problem import Refused
from reconciler.settings import Settings, described, key_of, load, variable_of

NOWHERE = Path("/nonexistent")


def write(folder: Path, text: str) -> dict[str, str]:
    (folder / "server.yaml").write_text(text)
    return {"TRUEUP_CONFIG": str(folder / "server.yaml")}


def test_every_setting_is_described() -> None:
    told = {key: words for key, _, _, words in described()}
    assert told.keys() == {key_of(item.name) for item in fields(Settings)}
    for key, words in told.items():
        assert words.count(".") >= 1 and len(words) > 30, key


def test_what_follows_from_the_state_dir_follows_it(tmp_path: Path) -> None:
    made = load({"TRUEUP_STATE_DIR": str(tmp_path), "TRUEUP_RUN_DIR": "/run/x", "TRUEUP_FLEET": "prod"})
    assert made.database == tmp_path / "state.duckdb"
    assert made.known_hosts == tmp_path / "known_hosts"
    assert made.socket == Path("/run/x/prod.sock")
    assert load({"TRUEUP_SOCKET": "/run/y.sock"}).socket == Path("/run/y.sock")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    env = write(tmp_path, "forks: 3\nbranch: live\npinOnFirstUse: false\n")
    made = load({**env, "TRUEUP_FORKS": "7"})
    assert (made.forks, made.branch, made.pin_on_first_use) == (7, "live", False)


def test_two_controllers_on_one_machine_are_two() -> None:
    one, other = Settings(state_dir=Path("/a")), Settings(state_dir=Path("/b"))
    assert one.controller_id != other.controller_id
    assert one.controller_id == Settings(state_dir=Path("/a")).controller_id


def test_all_problems_are_told_together_each_with_its_place(tmp_path: Path) -> None:
    env = write(tmp_path, "forks: 3\nstateDri: /x\nlisten: nope\nstrategy: fast\nbecomePassword: hunter2\n")
    with pytest.raises(Refused) as refused:
        load({**env, "TRUEUP_FORKS": "many", "TRUEUP_VISIT_LIMIT": "nan", "TRUEUP_CONNECT_TIMEOUT": "0"})
    told = {(problem.line, problem.message.split(":")[0]): problem for problem in refused.value.problems}
    assert set(told) == {
        (2, "stateDri"),
        (3, "listen"),
        (4, "strategy"),
        (5, "becomePassword"),
        (0, "TRUEUP_FORKS"),
        (0, "TRUEUP_VISIT_LIMIT"),
        (0, "TRUEUP_CONNECT_TIMEOUT"),
    }
    assert told[2, "stateDri"].hint == "did you mean stateDir?"
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("text", ["- a\n", "a: 1\n---\nb: 2\n", "just words\n"])
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused):
        load(write(tmp_path, text))


def test_a_file_that_somebody_named_must_be_there() -> None:
    with pytest.raises(Refused) as refused:
        load({"TRUEUP_CONFIG": str(NOWHERE)})
    assert refused.value.problems[0].code == "settings-missing"
    assert load({}, config_path=None).branch == "main"


def test_secrets_come_from_the_file_alone_and_have_one_of_three_forms(tmp_path: Path) -> None:
    good = "secrets:\n  a: {file: /x}\n  b: {env: B}\n  c: {command: [pass, c]}\n"
    assert set(load(write(tmp_path, good)).secrets) == {"a", "b", "c"}
    for bad in ("{file: /x, env: B}", "{command: pass c}", "{command: []}", "{url: x}", "plain"):
        with pytest.raises(Refused):
            load(write(tmp_path, f"secrets:\n  a: {bad}\n"))
    with pytest.raises(Refused):
        load({"TRUEUP_SECRETS": "{}"})


def test_the_password_is_shown_nowhere() -> None:
    made = load({"TRUEUP_BECOME_PASSWORD": "hunter2"})
    assert made.become_password == "hunter2"
    assert "hunter2" not in repr(made)


def test_names_of_keys_and_variables() -> None:
    assert (key_of("observe_every"), variable_of("observe_every")) == ("observeEvery", "TRUEUP_OBSERVE_EVERY")


def test_places_of_content_are_a_list_in_the_file_and_words_in_the_variable(tmp_path: Path) -> None:
    config = tmp_path / "server.yaml"
    config.write_text("contentFrom: [https://git.example.org/web/, /srv/builds]\n")
    assert load({}, config).content_from == ("https://git.example.org/web/", "/srv/builds")
    assert load({"TRUEUP_CONTENT_FROM": "s3://sites /srv"}, config).content_from == ("s3://sites", "/srv")
    for wrong in (
        "contentFrom: srv/builds",
        "contentFrom: [git.example.org]",
        "contentFrom: [3]",
        "contentFrom: {a: b}",
    ):
        config.write_text(wrong + "\n")
        with pytest.raises(Refused) as refused:
            load({}, config)
        assert "contentFrom" in refused.value.problems[0].message
