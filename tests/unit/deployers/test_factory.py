"""From a target's name to its deployer."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from vitesse_graph.deployers import Deployer, DeployerFactory, base
from vitesse_graph.deployers import factory as module
from vitesse_graph.deployers.base import folder_name
from vitesse_graph.errors import InputError


def test_every_target_that_is_listed_can_be_made() -> None:
    for target in DeployerFactory.targets():
        assert isinstance(DeployerFactory.create_deployer(target), Deployer)


def test_an_unknown_target_is_said_in_one_line_with_those_there_are() -> None:
    with pytest.raises(InputError, match="'mars' is unknown or not installed; there are: process") as caught:
        DeployerFactory.create_deployer("mars")
    assert "\n" not in str(caught.value)


def _registered(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint(name="moon", value=value, group="vitesse.deployers")
    monkeypatch.setattr(
        module, "entry_points", lambda **asked: [point] if asked.get("name", "moon") == "moon" else []
    )


def test_a_third_party_registers_by_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    _registered(monkeypatch, "vitesse_graph.deployers.process:ProcessDeployer")
    assert "moon" in DeployerFactory.targets()
    assert isinstance(DeployerFactory.create_deployer("moon"), Deployer)


def test_a_target_is_added_to_a_process_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REGISTERED", {})
    kind = DeployerFactory.create_deployer("process").__class__
    DeployerFactory.register("sun", kind)
    DeployerFactory.register("sun", kind)
    assert "sun" in DeployerFactory.targets()
    assert type(DeployerFactory.create_deployer("sun")) is kind
    other = type("Other", (kind,), {})
    for name, taken in (("sun", other), ("process", other), ("docker", other)):
        with pytest.raises(InputError, match="is there already"):
            DeployerFactory.register(name, taken)


@pytest.mark.parametrize(
    ("value", "words"),
    [("no_such_package.x:Y", "needs the package no_such_package"), ("pathlib:Path", "no Deployer")],
)
def test_a_registration_that_does_not_work_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, value: str, words: str
) -> None:
    _registered(monkeypatch, value)
    with pytest.raises(InputError, match=words):
        DeployerFactory.create_deployer("moon")


def test_a_configuration_that_a_target_does_not_take_is_refused() -> None:
    with pytest.raises(InputError, match="does not take"):
        DeployerFactory.create_deployer("process", {"colour": "red"})


def test_deployer_and_runtime_agree_on_the_name_of_a_stored_secret() -> None:
    """They do not import each other, so each has the rule; here it is held equal."""
    from vitesse_graph.runtime import secrets

    assert base.secret_variable("secret:a b") == secrets.secret_variable("secret:a b")


def test_different_ids_never_share_a_folder() -> None:
    ids = ["a/b", "a b", "a-b", "a_b", "../a", "A-B", "é", "e", "x" * 70, "x" * 71, "-a", ""]
    names = [folder_name(one) for one in ids]
    assert len(set(names)) == len(ids)
    assert all(name.replace("-", "").replace("_", "").isascii() for name in names)
