"""This project as a wheel, made from its own files: the same bytes from a checkout and from an installation.

A wheel is a zip archive with three text files beside the package. Making it here needs no build tool
and no network where Vitesse is deployed from, and the same sources always give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from functools import lru_cache
from importlib.metadata import metadata
from pathlib import Path

DISTRIBUTION = "vitesse-graph"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The earliest moment that a zip archive can hold; the same for every entry."""


@lru_cache(maxsize=1)
def project_wheel() -> tuple[str, bytes]:
    """File name and bytes of the wheel. It declares no requirements: the image brings the runtime's own."""
    about = metadata(DISTRIBUTION)
    stem = f"{DISTRIBUTION.replace('-', '_')}-{about['Version']}"
    info = f"{stem}.dist-info"
    root = Path(__file__).resolve().parents[1]
    files = {
        path.relative_to(root.parent).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".pyc", ".pyo")
    }
    header = [("Metadata-Version", "2.1"), *((name, about[name]) for name in ("Name", "Version"))]
    header += [(name, about[name]) for name in ("Summary", "Requires-Python") if about[name]]
    files[f"{info}/METADATA"] = "".join(f"{name}: {value}\n" for name, value in header).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: vitesse\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    record = [f"{name},sha256={_digest(body)},{len(body)}\n" for name, body in files.items()]
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    return f"{stem}-py3-none-any.whl", zip_bytes(files)


def zip_bytes(files: dict[str, bytes]) -> bytes:
    """A zip archive without a trace of when and where it was made."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, body)
    return into.getvalue()


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
