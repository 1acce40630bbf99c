"""`vitesse chaos`, as its users run it: on the demo's two APIs and on documents of one's own."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from vitesse_graph.cli.main import cli


def _run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["chaos", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return (result.return_value or 0) if result.exit_code == 0 else result.exit_code, result.stdout


def test_a_rename_is_noticed_named_and_healed_without_a_wrong_write() -> None:
    code, text = _run("--case", "source field renamed, not announced", "--json")
    (outcome,) = json.loads(text)["outcomes"]
    assert (outcome["cause"], outcome["end"]) == ("source_schema_changed (source)", "heal")
    assert (outcome["wrong"], outcome["incomplete"], outcome["lost"]) == (0, 0, 0)
    assert outcome["noticed_after"] is not None
    assert code == 0


def test_a_revoked_token_is_handed_to_a_person() -> None:
    _, text = _run("--case", "token revoked", "--json")
    (outcome,) = json.loads(text)["outcomes"]
    assert (outcome["cause"], outcome["end"]) == ("auth_expired (dest)", "person")
    assert not outcome["was_remapped"]


def test_the_cases_can_be_listed_and_a_case_that_is_none_is_named() -> None:
    _, text = _run("--list", "--json")
    assert len(json.loads(text)) >= 28
    with pytest.raises(Exception, match="no case named like 'meteor'"):
        CliRunner().invoke(cli, ["chaos", "--case", "meteor"], catch_exceptions=False, standalone_mode=False)
