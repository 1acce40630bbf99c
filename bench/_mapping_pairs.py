"""Labelled pairs of our own, written by hand in a short notation: `mapping_pairs/*.txt`.

They follow what public APIs of other domains document (human resources, logistics, health, banking,
events, shops, support), and widen what the weights learn from. Each file has sections:

    intent: one sentence
    source: name of the API
      path:type[/format][[]][!] [{enum|values}] [ro] [ex=…] [def=…] [max=…] [= description]
    dest: name of the API
      …
    gold:
      dest <- source[, source] [(kind)]
    acceptable:
      dest ~ source[, source] [for dest]
    free:
      dest, where anything goes

A space in an option is written `%20`. Types: s string, i integer, n number, b boolean, o object, a any. `!` requires a field, `^` an object
on the way (`a^.b`, `a[]^.b`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("mapping_pairs")
FRESH = Path(__file__).with_name("mapping_fresh")
"""Pairs written after everything else, and kept out of every fit: never look at them to widen the vocabulary."""
REAL = Path(__file__).with_name("mapping_real")
"""Pairs over fields of public OpenAPI documents (names, types, values; no descriptions: those are their
authors'), labelled by hand and kept out of every fit as well."""
_TYPES = {"s": "string", "i": "integer", "n": "number", "b": "boolean", "o": "object"}
_GOLD = re.compile(r"^(\S+) <- (.*?)(?: \((\w+)(?:: .*)?\))?$")
_PASSED = re.compile(r"^(\S+) ~ (.*?)(?: for (\S+))?$")


def read_pairs(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Every pair in the form of the benchmark's own files."""
    return [_pair(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.txt"))]


def _pair(name: str, text: str) -> dict[str, Any]:
    heads: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    section = ""
    for line in text.splitlines():
        if not line.startswith(" "):
            section, _, said = line.partition(":")
            heads[section], lines[section] = said.strip(), []
        else:
            lines[section].append(line.strip())
    return {
        "id": name,
        "intent": heads["intent"],
        "source": {"api": heads["source"], "schema": _schema(lines["source"])},
        "dest": {"api": heads["dest"], "schema": _schema(lines["dest"])},
        "gold": [_gold(line) for line in lines["gold"]],
        "acceptable": [_passed(line) for line in lines.get("acceptable", [])],
        "unmappable_required": [],
        "ignore_dest": lines.get("free", []),
        "ignore_prefix": [],
    }


def _schema(lines: list[str]) -> dict[str, Any]:
    root: dict[str, Any] = {"type": "object", "properties": {}}
    for line in lines:
        declared, _, description = line.partition(" = ")
        head, *options = declared.split()
        path, _, kind = head.rstrip("!").partition(":")
        leaf = _leaf(kind, options)
        if description:
            leaf["description"] = description
        _place(root, path.split("."), leaf, required=head.endswith("!"))
    return root


def _leaf(kind: str, options: list[str]) -> dict[str, Any]:
    kind, _, fmt = kind.partition("/")
    is_list = kind.endswith("[]")
    leaf: dict[str, Any] = {"type": _TYPES[kind[0]]} if kind[0] in _TYPES else {}
    if fmt:
        leaf["format"] = fmt
    number = int if kind[0] == "i" else float if kind[0] == "n" else str
    for option in options:
        option = option.replace("%20", " ")
        name, _, value = option.partition("=")
        if option == "ro":
            leaf["readOnly"] = True
        elif option.startswith("{"):
            leaf["enum"] = [number(v) for v in option[1:-1].split("|")]
        elif name in ("ex", "def"):
            leaf["example" if name == "ex" else "default"] = value if kind[0] == "b" else number(value)
        elif name == "max":
            leaf["maxLength"] = int(value)
    return {"type": "array", "items": leaf} if is_list else leaf


def _place(node: dict[str, Any], path: list[str], leaf: dict[str, Any], required: bool) -> None:
    for step in path[:-1]:
        name = step.rstrip("^").removesuffix("[]")
        if step.endswith("^") and name not in node.setdefault("required", []):
            node["required"].append(name)
        inner = {"type": "object", "properties": {}}
        made = {"type": "array", "items": inner} if "[]" in step else inner
        below = node["properties"].setdefault(name, made)
        node = below["items"] if "[]" in step else below
    node["properties"][path[-1]] = leaf
    if required:
        node.setdefault("required", []).append(path[-1])


def _gold(line: str) -> dict[str, Any]:
    found = _GOLD.match(line)
    assert found is not None, line
    sources = _listed(found[2])
    return {"dest": found[1], "source": sources, "kind": found[3] or ("rename" if sources else "constant")}


def _passed(line: str) -> dict[str, Any]:
    found = _PASSED.match(line)
    assert found is not None, line
    row: dict[str, Any] = {"dest": found[1], "source": _listed(found[2])}
    return row | ({"alt_for": found[3]} if found[3] else {})


def _listed(text: str) -> list[str]:
    return [piece.strip() for piece in text.split(",") if piece.strip()]
