"""Kubernetes' own schemas of two versions, read once."""

from __future__ import annotations

import functools
import json
from typing import Any

import kubernetes_validate

VERSIONS = ("1.31.0", "1.37.0")
# The schemas of one version are megabytes, and the package reads them anew for each object.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def invalid(item: dict[str, Any]) -> str | None:
    """What one of the versions has against the object; None when both take it."""
    return _invalid(json.dumps(item, sort_keys=True))


@functools.cache
def _invalid(text: str) -> str | None:
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(json.loads(text), version, strict=True)
        except kubernetes_validate.ValidationError as problem:
            return f"{version}: {problem.message}"
    return None
