"""Callers, limits and addresses, without a server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vitesse_graph.api.access import host_of, is_loopback
from vitesse_graph.api.app import create_app, in_process
from vitesse_graph.api.credentials import as_text, ensure_location_allowed, reference_in
from vitesse_graph.api.limits import RequestLimiter
from vitesse_graph.api.lookout import schedule_of
from vitesse_graph.api.principals import LOCAL, Principal
from vitesse_graph.api.problems import Refusal, problem_of, status_of_step_error
from vitesse_graph.cli.serve import ensure_may_bind
from vitesse_graph.errors import (
    ConflictError,
    DecisionError,
    DeployError,
    InputError,
    MappingError,
    NotFoundError,
    RefusedAddress,
    SpecError,
    UpstreamError,
)
from vitesse_graph.registry.vault import KEY_FILE, master_keys
from vitesse_graph.settings import Settings


def test_it_refuses_to_bind_beyond_this_machine_while_anyone_may_do_anything() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        ensure_may_bind(host, has_keys=False)
    for host in ("0.0.0.0", "::", "192.168.1.5", "vitesse.example.com"):
        with pytest.raises(InputError, match="make a key first"):
            ensure_may_bind(host, has_keys=False)
        ensure_may_bind(host, has_keys=True)


def test_the_key_that_encrypts_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(VITESSE_DATA_DIR=tmp_path)  # type: ignore[call-arg]
    made = master_keys(settings)
    assert master_keys(settings) == made
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    given = Settings(VITESSE_DATA_DIR=tmp_path, SECRET_KEY="new, old")  # type: ignore[call-arg]
    assert master_keys(given) == ["new", "old"]


@pytest.mark.parametrize(
    ("header", "name", "is_ours"),
    [
        ("localhost:8000", "localhost", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.8.8.8:1", "127.8.8.8", True),
        ("[::1]:8000", "::1", True),
        ("evil.example.com:8000", "evil.example.com", False),
        ("localhost.evil.example.com", "localhost.evil.example.com", False),
        ("0.0.0.0:8000", "0.0.0.0", False),
        ("", "", False),
    ],
)
def test_a_host_header_is_ours_only_by_a_loopback_name(header: str, name: str, is_ours: bool) -> None:
    assert host_of(header) == name
    assert is_loopback(host_of(header)) is is_ours


def test_a_caller_is_stopped_and_let_in_again_as_time_goes_by() -> None:
    now = [0.0]
    limiter = RequestLimiter(60, now=lambda: now[0])
    for _ in range(15):
        limiter.admit("ada")
    with pytest.raises(Refusal, match="too many requests") as refused:
        limiter.admit("ada")
    assert refused.value.headers["Retry-After"] == "1"
    limiter.admit("ben")
    now[0] = 1.0
    assert limiter.admit("ada")["RateLimit-Remaining"] == "0"
    assert RequestLimiter(0).admit("ada") == {}


def test_credentials_become_what_the_runtime_reads() -> None:
    assert as_text(" token ") == "token"
    assert as_text({"type": "bearer", "token": "t"}) == "t"
    assert as_text({"username": "u", "password": "p:p"}) == "u:p:p"
    assert as_text({"client_id": "i", "client_secret": "s"}) == '{"client_id": "i", "client_secret": "s"}'
    assert as_text({"X-One": "1", "X-Two": "2"}) == '{"X-One": "1", "X-Two": "2"}'
    for wrong in ({}, {"type": "bearer"}, {"token": ["a"]}):
        with pytest.raises(InputError, match="a credential is"):
            as_text(wrong)
    assert reference_in("secret:abc") == "secret:abc"
    assert reference_in({"ref": "env:NAME"}) == "env:NAME"
    assert reference_in("env:NAME and more") is None


def test_files_of_the_server_are_for_admins() -> None:
    operator = Principal(id="o", role="operator")
    for location in ("https://api.example.com/openapi.json", "shopify", "Credo CRM", None):
        ensure_location_allowed(location, operator)
    for location in ("/etc/passwd", "file:///x", "../x.json", "~/x", "C:\\x", "gopher://x", "FILE:x"):
        with pytest.raises(Refusal, match="role admin"):
            ensure_location_allowed(location, operator)
        ensure_location_allowed(location, LOCAL)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFoundError("x"), 404),
        (ConflictError("x"), 409),
        (DecisionError("x"), 400),
        (SpecError("x"), 400),
        (MappingError("x"), 400),
        (InputError("x"), 400),
        (RefusedAddress("x"), 400),
        (UpstreamError("x"), 502),
        (DeployError("x", log_tail="last line"), 502),
        (TimeoutError(), 504),
        (RuntimeError("a secret"), 500),
    ],
)
def test_every_error_has_its_status_and_none_tells_what_it_must_not(error: Exception, status: int) -> None:
    problem = problem_of(error, integration_id="i")
    assert (problem.http_status, problem.integration_id) == (status, "i")
    assert "a secret" not in problem.error
    if not isinstance(error, TimeoutError | RuntimeError):
        assert problem.error == "x"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("SpecError", 400),
        ("NotPassed", 400),
        ("UpstreamError", 502),
        ("DeployError", 502),
        ("ClientConnectorError", 502),
        ("ConnectError", 502),
        ("ConnectTimeout", 504),
        ("NodeTimeoutError", 504),
        ("KeyError", 500),
    ],
)
def test_a_failed_step_has_its_status_by_the_name_of_its_error(kind: str, status: int) -> None:
    assert status_of_step_error(kind) == status


@pytest.mark.parametrize(
    ("seconds", "cron"),
    [
        (0, None),
        (-1, None),
        (1, "*/1 * * * *"),
        (60, "*/1 * * * *"),
        (300, "*/5 * * * *"),
        (3600, "0 */1 * * *"),
        (86_400, "0 */23 * * *"),
    ],
)
def test_the_monitors_cron_knows_minutes_and_hours(seconds: float, cron: str | None) -> None:
    assert schedule_of(seconds) == cron


def test_every_bound_of_the_document_is_one_that_json_schema_knows() -> None:
    """A bound behind a validator of our own comes out as `ge`, which nobody reads."""
    settings = Settings()
    text = json.dumps(create_app(in_process(settings), settings).openapi())
    assert re.findall(r'"(?:ge|le|gt|lt)": ', text) == []
