"""The YAML reader for what the fast one refuses: merge keys, aliases, duplicate keys, tabs, big integers.

PyYAML's C parser under a constructor of our own: the scalars of YAML 1.2's core schema, nothing
that constructs an object. Aliases share their node, so they cost nothing here; what they would
come to when written out is counted and bounded.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from vitesse_graph.errors import SpecError
from vitesse_graph.specs.findings import Findings

_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_TAG = "tag:yaml.org,2002:"
_MAX_DEPTH = 500


def _scalar(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2 (section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    if _INT.match(text):
        digits = text.lstrip("+-")
        # `0123` is an octal to some readers and a decimal to others: identifiers like it stay text.
        return text if len(digits) > 1 and digits[0] == "0" else int(text)
    if _OCTAL.match(text):
        return int(text[2:], 8)
    if _HEX.match(text):
        return int(text, 16)
    if _FLOAT.match(text):
        return float(text)
    return text


class _Builder:
    """Makes plain values of composed nodes, sharing the value wherever the node is shared."""

    def __init__(self, name: str, findings: Findings, max_bytes: int) -> None:
        self.name, self.findings, self.max_bytes = name, findings, max_bytes
        self._made: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def build(self, node: yaml.Node, depth: int = 0) -> tuple[Any, int]:
        """(value, bytes it would take when written out). Raises SpecError over the limit."""
        known = self._made.get(id(node))
        if known is not None:
            return known
        if depth > _MAX_DEPTH:
            raise SpecError(f"{self.name} nests deeper than {_MAX_DEPTH} levels (fixed limit)")
        self._refuse_objects(node)
        if isinstance(node, yaml.ScalarNode):
            made = self._scalar_value(node), len(node.value) + 3
        elif id(node) in self._open:
            raise SpecError(f"{self.name} holds a YAML alias inside its own anchor (line {self._line(node)})")
        else:
            self._open.add(id(node))
            made = (
                self._sequence(node, depth) if isinstance(node, yaml.SequenceNode) else self._map(node, depth)
            )
            self._open.discard(id(node))
        if made[1] > self.max_bytes:
            raise SpecError(
                f"{self.name} grows beyond {self.max_bytes} bytes through its YAML aliases; "
                "VITESSE_MAX_SPEC_BYTES raises the limit"
            )
        self._made[id(node)] = made
        return made

    def _refuse_objects(self, node: yaml.Node) -> None:
        if "python/" in node.tag:
            raise SpecError(
                f"{self.name} asks to construct a Python object (line {self._line(node)}: tag {node.tag[:60]}); "
                "such tags are refused"
            )

    def _scalar_value(self, node: yaml.ScalarNode) -> Any:
        is_said_text = node.tag == _TAG + "str" and (node.value in _WORDS or _INT.match(node.value))
        return node.value if node.style is not None or is_said_text else _scalar(node.value)

    def _sequence(self, node: yaml.SequenceNode, depth: int) -> tuple[list[Any], int]:
        items, size = [], 2
        for child in node.value:
            value, bytes_ = self.build(child, depth + 1)
            items.append(value)
            size += bytes_ + 1
        return items, size

    def _map(self, node: yaml.Node, depth: int) -> tuple[dict[Any, Any], int]:
        result: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        size = 2
        for key_node, value_node in node.value:
            value, bytes_ = self.build(value_node, depth + 1)
            size += bytes_ + 1
            if isinstance(key_node, yaml.ScalarNode) and key_node.value == "<<" and key_node.style is None:
                self._merge(merged, value)
                continue
            key, bytes_ = self.build(key_node, depth + 1)
            size += bytes_ + 1
            if isinstance(key, dict | list):
                self.findings.add("odd_key", f"line {self._line(key_node)}: a key is no scalar; passed over")
                continue
            self._put(result, key, value, key_node)
        for key, value in merged.items():
            result.setdefault(key, value)
        return result, size

    def _put(self, result: dict[Any, Any], key: Any, value: Any, node: yaml.Node) -> None:
        if key in result:
            old = result[key]
            both = isinstance(old, dict) and isinstance(value, dict) and str(key).startswith("/")
            said = "both were read" if both else "the last was kept"
            self.findings.add("duplicate_key", f"line {self._line(node)}: {key} stands twice; {said}")
            if both:
                value = {**old, **value}
        result[key] = value

    def _merge(self, merged: dict[Any, Any], value: Any) -> None:
        for source in value if isinstance(value, list) else [value]:
            if isinstance(source, dict):
                for key, item in source.items():
                    merged.setdefault(key, item)

    def _line(self, node: yaml.Node) -> int:
        return node.start_mark.line + 1 if node.start_mark is not None else 0


def load_patiently(text: str, name: str, findings: Findings, *, max_bytes: int) -> Any:
    """The tree of one YAML document (of the first, where there are several). Raises SpecError."""
    try:
        return _load(text, name, findings, max_bytes)
    except yaml.YAMLError as error:
        if "\t" in text:
            # YAML forbids tabs for indentation; editors put them there all the same.
            try:
                tree = _load(text.replace("\t", "  "), name, findings, max_bytes)
            except yaml.YAMLError:
                pass
            else:
                findings.add("tabs", "indented with tabs, which YAML forbids; read as two spaces each")
                return tree
        raise SpecError(f"{name} is not valid YAML: {_brief(error)}") from error


def _load(text: str, name: str, findings: Findings, max_bytes: int) -> Any:
    loader = yaml.CSafeLoader(text)
    try:
        if not loader.check_node():
            return None
        node = loader.get_node()
        try:
            if loader.check_node():
                findings.add("several_documents", "the file holds several YAML documents; the first was read")
        except yaml.YAMLError:
            findings.add("several_documents", "text after the end of the first YAML document was passed over")
    except RecursionError as error:
        raise SpecError(
            f"{name} nests too deeply to be read (about {_MAX_DEPTH} levels, fixed limit)"
        ) from error
    finally:
        loader.dispose()
    if node is None:
        return None
    return _Builder(name, findings, max_bytes).build(node)[0]


def _brief(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error).split("\n", 1)[0]
    return f"{problem} at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else problem
