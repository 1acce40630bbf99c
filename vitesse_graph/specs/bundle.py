"""Documents in several files become one, without inlining.

Each file that a `$ref` leads to is fetched once, parsed, and placed whole under `x-external-documents`;
references are rewritten to point there. Recursion over files is then ordinary recursion, and a
file used a hundred times is there once. (prance's resolver is not used here: it fetches by itself,
past the guard, inlines a copy at each use, follows `$ref`s inside examples, and gives up on the
whole document at the first that dangles. It stands beside ours in the bench.)

Not followed: references inside examples and extensions (they are data), files outside the entry
file's folder, files from a URL. What cannot be fetched costs what points to it, and a warning.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import re2

from vitesse_graph.errors import SpecError, VitesseError
from vitesse_graph.settings import Settings
from vitesse_graph.specs.fetch import Fetcher, is_url, read_file
from vitesse_graph.specs.findings import Findings
from vitesse_graph.specs.parse import parse
from vitesse_graph.specs.resolve import Resolver

PLACE = "x-external-documents"
_EXTERNAL = re2.compile(rb"""\$ref["']?\s*:\s*(?:["'][^"'#\s]|[^"'#\s{\[|>&*!])""")
_DATA_KEYS = frozenset({"example", "examples", "enum", "default", "const", "value", "externalValue"})
_NAME_MAPS = frozenset(
    {
        "properties", "patternProperties", "definitions", "$defs", "schemas", "parameters", "responses", "headers",
        "requestBodies", "securitySchemes", "securityDefinitions", "links", "callbacks", "paths", "pathItems",
        "dependentSchemas", "content", "webhooks", "variables",
    }
)  # fmt: skip
"""Keys whose value maps free names to nodes: inside them `example` and `x-…` are names like any other."""
_TEXT_FILES = frozenset({".md", ".markdown", ".txt", ".html"})
_ENDINGS = (".json", ".yaml", ".yml")
_AT_ONCE = 16


def has_external_refs(data: bytes) -> bool:
    """A quick look at the bytes: whether any `$ref` seems to lead out of the document."""
    return _EXTERNAL.search(data) is not None


def references(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: C901 - one loop, for speed
    """Every object in `tree` that is a reference, outside of examples and extensions. Iterative.

    This passes over the whole document, and is written for speed.
    """
    seen: set[int] = set()  # YAML aliases make one node stand in many places
    nodes: list[Any] = [tree]
    maps: list[dict[Any, Any]] = []
    """Objects whose keys are free names."""
    while nodes or maps:
        if maps:
            node, holds_names = maps.pop(), True
        else:
            node, holds_names = nodes.pop(), False
            if type(node) is list:
                nodes.extend([child for child in node if type(child) is dict or type(child) is list])
                continue
            if type(node) is not dict:
                continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        if type(node.get("$ref")) is str:
            yield node
        if holds_names:
            nodes.extend([child for child in node.values() if type(child) is dict or type(child) is list])
            continue
        for key, child in node.items():
            kind = type(child)
            if kind is dict:
                if key in _NAME_MAPS:
                    maps.append(child)
                elif key not in _DATA_KEYS and not (type(key) is str and key.startswith("x-")):
                    nodes.append(child)
            elif kind is list and key not in _DATA_KEYS and not (type(key) is str and key.startswith("x-")):
                nodes.append(child)


class Bundler:
    """Bundles one document. `base` is the URL (also `file:`) that relative references start from."""

    def __init__(self, fetcher: Fetcher, settings: Settings, findings: Findings) -> None:
        self._fetcher, self._settings, self._findings = fetcher, settings, findings
        self._names: dict[str, str] = {}
        """Document URL → its name under PLACE."""
        self._failed: set[str] = set()
        self._seen: set[str] = set()
        """Documents that any reference names, the entry document included."""
        self._bytes = 0
        self._own: Resolver | None = None

    async def bundle(self, tree: dict[str, Any], base: str) -> bool:
        """Rewrites `tree` in place; says whether anything changed. Raises SpecError at a limit."""
        base = urldefrag(base)[0]
        self._own = Resolver(tree)
        documents: dict[str, Any] = {base: tree}
        fresh = {base: tree}
        while fresh:
            wanted = await asyncio.to_thread(self._wanted, fresh, base)
            new = [url for url in wanted if url not in documents and url not in self._failed]
            if len(documents) + len(new) > self._settings.max_external_refs:
                raise SpecError(
                    f"{base} refers to more than {self._settings.max_external_refs} other documents; "
                    "VITESSE_MAX_EXTERNAL_REFS raises the limit"
                )
            fresh = await self._fetch_all(new, base)
            documents.update(fresh)
        if not self._seen:
            return False
        await asyncio.to_thread(self._rewrite_all, documents, base)
        parts = {self._names[url]: part for url, part in documents.items() if url != base}
        if parts:
            tree[PLACE] = parts
        return True

    def _wanted(self, trees: dict[str, Any], root: str) -> list[str]:
        found: dict[str, None] = {}
        for url, tree in trees.items():
            for node in references(tree):
                target = self._absolute(node["$ref"], url, root)
                if target is not None:
                    found.setdefault(target)
        return list(found)

    def _absolute(self, ref: str, url: str, root: str) -> str | None:
        """The document that a reference leads to; None where it stays inside, or may not be followed."""
        document = ref.partition("#")[0].strip()
        if not document or self._names_own(ref, url == root):
            return None
        target = urldefrag(urljoin(url, document.replace("\\", "/")))[0]
        self._seen.add(target)
        if target == root or target in self._names or target in self._failed:
            return target if target not in self._failed else None
        problem = self._problem(target, root)
        if problem is not None:
            self._failed.add(target)
            self._findings.add("refused_ref", f"{ref[:120]} was not followed: {problem}")
            return None
        return target

    def _names_own(self, ref: str, is_entry: bool) -> bool:
        """Whether a reference that looks like a file is a schema of this document: by `$id`, or by its bare name."""
        if self._own is None or not is_entry or "#" in ref or ref.lower().endswith(_ENDINGS):
            return False
        try:
            self._own.target(ref)
        except LookupError:
            return False
        return True

    def _problem(self, target: str, root: str) -> str | None:
        if is_url(target):
            return None
        if not target.startswith("file:"):
            return "only files and http(s) URLs are read"
        if not root.startswith("file:"):
            return "a document from a URL may not lead to a file of this machine"
        folder = _path(root).parent.resolve()
        if not _path(target).resolve().is_relative_to(folder):
            return f"it leaves the folder of the entry file; put both under one folder ({folder.name}/…)"
        return None

    async def _fetch_all(self, urls: list[str], root: str) -> dict[str, Any]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(url: str) -> tuple[str, Any]:
            async with gate:
                try:
                    return url, await self._fetch(url, root)
                except VitesseError as error:
                    self._failed.add(url)
                    self._findings.add("unreadable_ref", f"a referenced document could not be read: {error}")
                    return url, None

        found: dict[str, Any] = {}
        for url, tree in await asyncio.gather(*(one(url) for url in urls)):
            if tree is not None:
                found[url] = tree
                self._names[url] = f"{len(self._names)}"
        return found

    async def _fetch(self, url: str, root: str) -> Any:
        if is_url(url):
            fetched = await self._fetcher.fetch(url, linked_from=root if is_url(root) else None)
            data = fetched.data or b""
        else:
            data = await asyncio.to_thread(read_file, _path(url), self._settings.max_spec_bytes)
        self._bytes += len(data)
        if self._bytes > self._settings.max_spec_bytes:
            raise SpecError(
                f"all parts together are larger than {self._settings.max_spec_bytes} bytes; "
                "VITESSE_MAX_SPEC_BYTES raises the limit"
            )
        return await asyncio.to_thread(self._parse_part, data, url)

    def _parse_part(self, data: bytes, url: str) -> Any:
        """A part of the document; a text file (an introduction in Markdown) is text, whatever it looks like."""
        if Path(urlsplit(url).path).suffix.lower() in _TEXT_FILES:
            return data.decode("utf-8", "replace")
        tree = parse(data, url, self._findings, max_bytes=self._settings.max_spec_bytes)
        return tree if tree is not None else {}

    def _rewrite_all(self, documents: dict[str, Any], root: str) -> None:
        for url, tree in documents.items():
            own = Resolver(tree) if isinstance(tree, dict) else None
            for node in list(references(tree)):
                self._rewrite(node, url, root, own)

    def _rewrite(self, node: dict[str, Any], url: str, root: str, own: Resolver | None) -> None:
        ref: str = node["$ref"]
        document, _, pointer = ref.partition("#")
        if self._names_own(ref, url == root):
            return
        if not document.strip():
            if url != root and _points_into(own, ref):
                node["$ref"] = f"#/{PLACE}/{self._names[url]}{pointer}"
            return  # `#/…` in a part that has no such place means the entry document
        target = urldefrag(urljoin(url, document.strip().replace("\\", "/")))[0]
        if target == root:
            node["$ref"] = f"#{pointer}"
        elif target in self._names:
            node["$ref"] = f"#/{PLACE}/{self._names[target]}{pointer}"


def _points_into(own: Resolver | None, ref: str) -> bool:
    """Whether a part itself has what `#/…` names (its first step decides: the rest may lead on)."""
    if own is None:
        return False
    first = ref.removeprefix("#/").split("/", 1)[0]
    return ref in ("#", "#/") or unquote(first).replace("~1", "/").replace("~0", "~") in own.root


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
