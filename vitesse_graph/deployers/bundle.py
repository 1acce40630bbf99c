"""The bundle: all of an integration in one archive, the same bytes for the same input.

It is a zip file. `python -m vitesse_graph.runtime BUNDLE` runs it; unpacked, its folder is the build
context of the image. `manifest.json` names the definition, the versions and digests it was made from, and
the sha256 of every other file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitesse_graph.deployers.images import DEFAULT_BASE, DEFINITION, build_context
from vitesse_graph.deployers.sbom import bill_of_materials
from vitesse_graph.deployers.wheel import project_wheel, zip_bytes
from vitesse_graph.errors import InputError
from vitesse_graph.state.definition import IntegrationDefinition

MANIFEST = "manifest.json"
FORMAT = 1


def make_bundle(
    definition: IntegrationDefinition,
    *,
    test_results: Sequence[Mapping[str, Any]] = (),
    evidence: Mapping[str, Any] | None = None,
    base: str = DEFAULT_BASE,
) -> bytes:
    """The archive. `test_results`: the guardian's runs on this mapping version; `evidence`: what else
    supports it (reviews, the specifications as they were read), by name."""
    context = build_context(definition, base=base)
    files = dict(context.files)
    files["tests/results.json"] = _json(list(test_results))
    for name, what in sorted((evidence or {}).items()):
        files[f"evidence/{name}.json"] = _json(what)
    files["sbom.cdx.json"] = _json(
        bill_of_materials(
            definition.name or definition.integration_id,
            str(definition.version),
            definition.digest(),
            requirements=files["requirements.txt"].decode(),
            wheel=project_wheel(),
            base=base,
        )
    )
    manifest = {
        "format": FORMAT,
        "integration_id": definition.integration_id,
        "name": definition.name,
        "version": definition.version,
        "definition_digest": definition.digest(),
        "mapping_version": definition.mapping.version,
        "source_spec_digest": definition.source_spec_digest,
        "dest_spec_digest": definition.dest_spec_digest,
        "approved_by": definition.approved_by,
        "base": base,
        "files": {name: hashlib.sha256(body).hexdigest() for name, body in sorted(files.items())},
    }
    return zip_bytes({**files, MANIFEST: _json(manifest)})


def read_bundle(path: Path) -> IntegrationDefinition:
    """The definition of a bundle, for any deployer. Raises InputError where a file was changed or is missing."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(MANIFEST))
            for name, digest in manifest["files"].items():
                if hashlib.sha256(archive.read(name)).hexdigest() != digest:
                    raise InputError(f"{path}: {name} is not what the manifest says; make the bundle anew")
            definition = IntegrationDefinition.model_validate_json(archive.read(DEFINITION))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise InputError(f"{path} is no bundle ({type(error).__name__})") from error
    if definition.digest() != manifest["definition_digest"]:
        raise InputError(f"{path}: the definition is not what the manifest says; make the bundle anew")
    return definition


def inspect_bundle(body: bytes) -> dict[str, Any]:
    """The manifest of a bundle that is in memory."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        found: dict[str, Any] = json.loads(archive.read(MANIFEST))
        return found


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
