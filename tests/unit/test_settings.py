"""`.env.example` and `settings.py` say the same."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import AliasChoices

from vitesse_graph.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def _names_in_settings() -> set[str]:
    names = set()
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        names.add(str(alias.choices[0]) if isinstance(alias, AliasChoices) else str(alias))
    return names


def test_the_example_lists_every_variable_and_no_other() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    assert set(re.findall(r"^# ([A-Z0-9_]+)=", text, flags=re.MULTILINE)) == _names_in_settings()


def test_printing_the_settings_shows_no_secret() -> None:
    settings = Settings(
        DATABASE_URL="postgresql://u:hunter2@db/x", OPENAI_API_KEY="sk-hunter2", SECRET_KEY="hunter2"
    )  # type: ignore[call-arg]
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings.model_dump())
    assert settings.conninfo() == "postgresql://u:hunter2@db/x"
