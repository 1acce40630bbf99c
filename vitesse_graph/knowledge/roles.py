"""Who gives and who takes: the roles of two systems in one English sentence.

The sentence is rewritten with its systems as `<0>`, `<1>` and matched against a table of
patterns, the most telling first; each may settle the source (`s`), the destination (`d`) or both.
What no pattern settles falls to the order of speaking.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vitesse_graph.knowledge.mentions import Mention

_S = r"<(?P<s>\d+)>"
_D = r"<(?P<d>\d+)>"
_NEAR = r"(?:[\w'’\-/&]+ ){0,4}?"
"""Up to four words between a cue and its system: `from our old <0>`."""
_ANY = r"[^<>;.!?]*?"
_CLAUSE = r"[^<>,;.!?]*?"
_NOT_VERB = (
    r"(?!(?:have|see|get|be|use|create|make|add|send|text|tell|notify|land|put|keep|read|write|sync|copy|move|"
    r"push|pull|take|show|update|know|invoice|bill|charge)\b)"
)
"""`to` before a place, not before a verb: `I want to see <0> in <1>`."""
_NEAR_VERB = r"(?:text|tell|notify|message|alert|inform|call|e-?mail|mail|ping|remind|warn)\b"
_NOT_SCHEDULE = (
    r"(?!(?:a|an|per|every|each) (?:second|minute|hour|day|night|week|month|year|morning|evening))"
)
_TRIGGER = rf"\b(?:when(?:ever)?|every time|each time|once {_NOT_SCHEDULE}|as soon as|if|after|upon|on (?=new|each|every))\b"

PATTERNS: tuple[tuple[str, str], ...] = (
    ("arrow", rf"{_S}{_CLAUSE}(?:->|=>|→|⇒|>>|⟶){_CLAUSE}{_D}"),
    (
        "source of truth",
        rf"{_S} (?:is|being|stays|remains|as) (?:the |our )?(?:single )?(?:source of truth|master|system of record)",
    ),
    ("trigger first", rf"^\W*(?:please )?{_TRIGGER}{_CLAUSE}{_S}"),
    ("trigger after", rf"{_D}{_ANY}{_TRIGGER}{_ANY}{_S}"),
    (
        "up to date with",
        rf"{_D}{_ANY}(?:up[- ]to[- ]date|current|fresh|aligned|populated|filled) (?:with|from|by|using) {_NEAR}{_S}",
    ),
    (
        "keep d in sync with s",
        rf"\bkeep(?:ing|s)? {_NEAR}{_D}{_CLAUSE}(?:in[- ]sync|synced|synchroni[sz]ed|in step) (?:with|to) {_NEAR}{_S}",
    ),
    (
        "d should reflect s",
        rf"{_D}{_CLAUSE}\b(?:reflects?|mirrors?|follows?|matche?s?|shows?(?! up)) (?!them\b|it\b|these\b|those\b)(?:what (?:is|happens) in |the )?{_NEAR}{_S}",
    ),
    ("let d know of s", rf"\b(?:let|have) {_NEAR}{_D} (?:know|hear|learn){_ANY}{_S}"),
    ("use d to tell of s", rf"^\W*(?:please )?use {_NEAR}{_D} to {_NEAR_VERB}{_ANY}{_S}"),
    (
        "have s in d",
        rf"\b(?:have|see|get|view|show|find|want|need)\b {_NEAR}{_S}{_CLAUSE}\b(?:in|inside|within|on) {_NEAR}{_D}",
    ),
    (
        "d needs s",
        rf"^\W*(?:our |the )?{_D}{_CLAUSE}\b(?:needs?|wants?|gets?|receives?|requires?|(?:should|must) (?:get|have|receive)) (?!to\b){_NEAR}{_S}",
    ),
    (
        "d gets what is of s",
        rf"{_D}{_CLAUSE}\b(?:receives?|gets?|has|have|contains?|holds?|needs?|wants?)\b(?! to\b){_CLAUSE}\b(?:of|from|in) {_NEAR}{_S}",
    ),
    (
        "in d for every s",
        rf"\b(?:in|into|to|on) {_NEAR}{_D}{_ANY}\bfor (?:every|each|all|any|new)\b{_CLAUSE}{_S}",
    ),
    (
        "in d for what is in s",
        rf"\bin {_NEAR}{_D}{_CLAUSE}\bfor \w+{_CLAUSE}\b(?:in|from|by|with) {_NEAR}{_S}",
    ),
    ("for every s", rf"\bfor (?:every|each|all|any|new|the)\b{_CLAUSE}{_S}"),
    (
        "d from s",
        rf"{_D}{_ANY}\b(?:from|out of|off|based on|coming from) {_NEAR}{_S}(?!{_ANY}\b(?:to|into|onto) {_NEAR}<)",
    ),
    (
        "from s to d",
        rf"\b(?:from|out of) {_NEAR}{_S}{_ANY}\b(?:to|into|onto|in|over to|towards?) {_NEAR}{_D}",
    ),
    ("into d", rf"\b(?:into|onto|over to|to|towards?|inside) {_NOT_VERB}{_NEAR}{_D}"),
    ("from s", rf"\b(?:from|out of|based on) {_NEAR}{_S}"),
    ("every s", rf"\b(?:every|each) (?:new |updated |single )?{_S}"),
    ("s becomes d", rf"{_S}{_CLAUSE}\b(?:become|becomes|as|turn into) {_NEAR}{_D}"),
    (
        "feed d with s",
        rf"\b(?:update|populate|enrich|fill|load|feed|seed|refresh|backfill|hydrate|supply|augment|extend|complete)s? {_CLAUSE}{_D}{_CLAUSE}\b(?:with|using|by|via) {_NEAR}{_S}",
    ),
    ("tell d about s", rf"{_D}{_CLAUSE}\b(?:about|of|on|regarding|with|for) {_NEAR}{_S}"),
    (
        "make in d",
        rf"\b(?:create|add|open|make|log|file|raise|put|store|save|record|register|show|insert|upsert|track|post|land|import|write|reflect|mirror|replicate|book|enter|invoice)\b{_CLAUSE}\bin {_NEAR}{_D}",
    ),
    (
        "to be had in d",
        rf"{_S}{_ANY}\b(?:available|visible|shown|listed|show up|appear|appears|end up|land) (?:in|on) {_NEAR}{_D}",
    ),
    (
        "s into kind",
        rf"\b(?:export|extract|read|fetch|pull|sync|copy|import|push|send|move|mirror|replicate|transfer|migrate|stream|forward|take|get)\b {_NEAR}{_S}",
    ),
    (
        "make a d thing",
        rf"\b(?:create|make|open|add|raise|file|generate|insert|post|write|update|populate|enrich|fill|draft|notify|alert|tell|message|ping|feed)\b {_NEAR}{_D}",
    ),
)
_TELL = re.compile(
    r"\b(?:notify|alert|tell|message|ping|inform|post|create|make|open|raise|file|build|generate|draft|add|log)\b"
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in PATTERNS)


@dataclass(frozen=True)
class Roles:
    """Places in the list of mentions, None where nobody has the role; `why` names the pattern."""

    source: int | None
    dest: int | None
    why: str


def _template(text: str, mentions: Sequence[Mention]) -> str:
    pieces: list[str] = []
    last = 0
    for place, mention in enumerate(mentions):
        pieces += [text[last : mention.start].lower().replace("<", " ").replace(">", ">"), f"<{place}>"]
        last = mention.end
    template = "".join([*pieces, text[last:].lower().replace("<", " ")])
    return re.sub(r"\s+", " ", re.sub(r"(<\d+>)['’]s?\b", r"\1", template)).strip()


def _applies(name: str, template: str) -> bool:
    # "a copy of <0> in <1>" and "notify <0> of <1>" differ in the verb only.
    return name != "tell d about s" or _TELL.match(template) is not None


def assign_roles(text: str, mentions: Sequence[Mention]) -> Roles:
    """The first two systems that the sentence gives a role, or the first two in order."""
    template = _template(text, mentions)
    source: int | None = None
    dest: int | None = None
    why: list[str] = []
    for name, pattern in _COMPILED:
        if not _applies(name, template):
            continue
        for match in pattern.finditer(template):
            groups = {role: int(place) for role, place in match.groupdict().items() if place is not None}
            new_source, new_dest = groups.get("s", source), groups.get("d", dest)
            if source is None and "s" in groups and new_source != dest and new_source != new_dest:
                source = new_source
                why.append(name)
            if dest is None and "d" in groups and groups["d"] != source:
                dest = groups["d"]
                why.append(name)
            if source is not None and dest is not None:
                return Roles(source, dest, ", ".join(dict.fromkeys(why)))
    return _by_order(source, dest, len(mentions), why)


def _by_order(source: int | None, dest: int | None, count: int, why: list[str]) -> Roles:
    rest = [place for place in range(count) if place not in (source, dest)]
    if source is None and dest is None:
        source, dest = (rest[0] if rest else None), (rest[1] if len(rest) > 1 else None)
    elif source is None:
        source = rest[0] if rest else None
    else:
        dest = rest[0] if rest else None
    return Roles(source, dest, ", ".join(dict.fromkeys([*why, "order"])))
