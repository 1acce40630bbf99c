"""The software bill of materials of an integration's image, as CycloneDX JSON: pure, the same each time.

It lists what the image installs (`requirements.txt`, every version pinned) and this project's wheel. The
base image is named; what is in it is for its own bill to say.
"""

from __future__ import annotations

import hashlib
import uuid
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

SPEC_VERSION = "1.6"
_NAMESPACE = uuid.UUID("5d8f3c1e-7f1b-4c39-9a0e-0e5d3b1f6c11")


def bill_of_materials(
    name: str, version: str, digest: str, *, requirements: str, wheel: tuple[str, bytes], base: str
) -> dict[str, Any]:
    """The document. `digest` is the definition's: it makes the serial number."""
    ours = _project(*wheel)
    libraries = [
        _library(*line.split("==", 1))
        for line in requirements.splitlines()
        if line and not line.startswith("#")
    ]
    root = {
        "type": "application",
        "bom-ref": "integration",
        "name": name,
        "version": version,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }
    container = {"type": "container", "bom-ref": "base", "name": base}
    parts = [ours, *libraries, container]
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest)}",
        "version": 1,
        "metadata": {"component": root},
        "components": parts,
        "dependencies": [
            {"ref": "integration", "dependsOn": [ours["bom-ref"], "base"]},
            {"ref": ours["bom-ref"], "dependsOn": [one["bom-ref"] for one in libraries]},
        ],
    }


def _project(file_name: str, body: bytes) -> dict[str, Any]:
    name, version = file_name.split("-")[:2]
    made = _library(name.replace("_", "-"), version)
    return {**made, "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(body).hexdigest()}]}


def _library(name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}@{version}"
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    licence = _licence(name, version)
    return {**component, "licenses": [licence]} if licence else component


def _licence(name: str, version: str) -> dict[str, Any] | None:
    """What the package says of itself, where this very version is installed here."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return None
    if about["Version"] != version:
        return None
    if about["License-Expression"]:
        return {"expression": about["License-Expression"]}
    said = (about["License"] or "").strip()
    if said and "\n" not in said and len(said) < 80:
        return {"license": {"name": said}}
    classified = [
        c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if c.startswith("License")
    ]
    return {"license": {"name": classified[0]}} if classified else None
