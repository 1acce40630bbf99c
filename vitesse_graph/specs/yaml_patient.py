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


_PENDING = object()
"""In a mapping: no key waits for its value."""


class _Frame:
    """One sequence or mapping that is being filled."""

    __slots__ = ("anchor", "is_map", "key", "merged", "size", "value")

    def __init__(self, is_map: bool, anchor: str | None) -> None:
        self.is_map, self.anchor = is_map, anchor
        self.value: Any = {} if is_map else []
        self.key: Any = _PENDING
        self.merged: dict[Any, Any] = {}
        self.size = 2


class _Builder:
    """Makes plain values of parser events with a stack of its own: nesting never reaches the C stack.

    Aliases share their value. `size` is what a value would take when written out, aliases and all.
    """

    def __init__(self, name: str, findings: Findings, max_bytes: int) -> None:
        self.name, self.findings, self.max_bytes = name, findings, max_bytes
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._stack: list[_Frame] = []
        self.result: Any = None
        self.is_done = False

    def take(self, event: yaml.Event) -> None:
        """Raises SpecError over a limit, or at a tag that would construct an object."""
        if isinstance(event, yaml.AliasEvent):
            self._alias(event)
            return
        if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._close()
            return
        if not isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent):
            return
        if event.tag is not None and "python/" in event.tag:
            raise SpecError(
                f"{self.name} asks to construct a Python object (line {_line(event)}: tag {event.tag[:60]}); "
                "such tags are refused"
            )
        if isinstance(event, yaml.ScalarEvent):
            is_text = bool(event.style) or event.tag == _TAG + "str"
            if not is_text and event.value == "<<":
                value: Any = _MERGE
            else:
                value = event.value if is_text else _scalar(event.value)
            self._finish(value, len(event.value) + 3, event.anchor, event)
            return
        if len(self._stack) >= _MAX_DEPTH:
            raise SpecError(f"{self.name} nests deeper than {_MAX_DEPTH} levels (fixed limit)")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(isinstance(event, yaml.MappingStartEvent), event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        known = self._anchors.get(event.anchor or "")
        if known is None:
            where = "inside its own anchor" if event.anchor in self._anchors else "without an anchor"
            raise SpecError(f"{self.name} holds a YAML alias {where} (line {_line(event)})")
        self._finish(known[0], known[1], None, event)

    def _close(self) -> None:
        frame = self._stack.pop()
        for key, value in frame.merged.items():
            frame.value.setdefault(key, value)
        self._finish(frame.value, frame.size, frame.anchor, None)

    def _finish(self, value: Any, size: int, anchor: str | None, event: yaml.Event | None) -> None:
        if size > self.max_bytes:
            raise SpecError(
                f"{self.name} grows beyond {self.max_bytes} bytes through its YAML aliases; "
                "VITESSE_MAX_SPEC_BYTES raises the limit"
            )
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if not self._stack:
            self.result, self.is_done = value if value is not _MERGE else "<<", True
            return
        frame = self._stack[-1]
        frame.size += size + 1
        if not frame.is_map:
            frame.value.append(value if value is not _MERGE else "<<")
        elif frame.key is _PENDING:
            frame.key = value
        else:
            key, frame.key = frame.key, _PENDING
            self._put(frame, key, value, event)

    def _put(self, frame: _Frame, key: Any, value: Any, event: yaml.Event | None) -> None:
        if key is _MERGE:
            for source in value if isinstance(value, list) else [value]:
                for name, item in source.items() if isinstance(source, dict) else ():
                    frame.merged.setdefault(name, item)
                    frame.size += 1
            return
        if isinstance(key, dict | list):
            self.findings.add("odd_key", "a key is no scalar; it was passed over")
            return
        if key in frame.value:
            old = frame.value[key]
            both = isinstance(old, dict) and isinstance(value, dict) and str(key).startswith("/")
            said = "both were read" if both else "the last was kept"
            where = f"line {_line(event)}: " if event is not None else ""
            self.findings.add("duplicate_key", f"{where}{key} stands twice; {said}")
            if both:
                value = {**old, **value}
        frame.value[key] = value


_MERGE = object()
"""The key `<<`, unquoted."""


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


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
    builder = _Builder(name, findings, max_bytes)
    events = yaml.parse(text, Loader=yaml.CSafeLoader)
    for event in events:
        if builder.is_done:
            break
        builder.take(event)
    try:
        if any(isinstance(event, yaml.DocumentStartEvent) for event in events):
            findings.add("several_documents", "the file holds several YAML documents; the first was read")
    except yaml.YAMLError:
        findings.add("several_documents", "text after the end of the first YAML document was passed over")
    return builder.result


def _brief(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or error).split("\n", 1)[0]
    return f"{problem} at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else problem
