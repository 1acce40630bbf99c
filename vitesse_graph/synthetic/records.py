"""Synthetic records from a schema: a stated mix, deterministic by seed, valid by construction and check."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.compiler import Compiler
from vitesse_graph.synthetic.contract import Contract
from vitesse_graph.synthetic.draw import PROFILES, Draw, Generate, Profile
from vitesse_graph.synthetic.material import pools
from vitesse_graph.synthetic.schemas import Direction

_ATTEMPTS = 8


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the three kinds of record; they need not add up to one."""

    typical: float = 0.7
    boundary: float = 0.2
    adversarial: float = 0.1

    def profiles(self, count: int) -> list[Profile]:
        """The kind of each of `count` records: exact shares, typical ones first in each group of ten."""
        shares = {name: max(0.0, getattr(self, name)) for name in PROFILES}
        total = sum(shares.values()) or 1.0
        given = dict.fromkeys(PROFILES, 0)
        order: list[Profile] = []
        for index in range(1, count + 1):
            behind = max(PROFILES, key=lambda name: shares[name] / total * index - given[name])
            given[behind] += 1
            order.append(behind)
        return order


TYPICAL = Mix(1.0, 0.0, 0.0)
DEFAULT_MIX = Mix()


class SyntheticRecord(NamedTuple):
    """One record and the kind it was drawn as."""

    value: Any
    profile: Profile


class RecordGenerator:
    """A schema compiled once for every profile. Draws tens of thousands of records a second."""

    def __init__(self, schema: JsonSchema, *, name: str = "", direction: Direction = "response") -> None:
        self.contract = Contract(schema, direction)
        self._hidden = "writeOnly" if direction == "response" else ""
        self._name = name
        self._made: dict[tuple[Profile, bool], Generate] = {}

    def _generator(self, profile: Profile, minimal: bool = False) -> Generate:
        key = (profile, minimal)
        if key not in self._made:
            schema = self.contract.schema
            compiler = Compiler(schema, profile, pools(), minimal=minimal, hidden=self._hidden)
            self._made[key] = compiler.compile(schema, self._name, self._name)
        return self._made[key]

    def draw(self, draw: Draw, profile: Profile = "typical", *, minimal: bool = False) -> Any:
        """One value that keeps the schema; where drawing keeps failing, the simplest that was drawn."""
        value = None
        for attempt in range(_ATTEMPTS):
            draw.next_record()
            wanted: Profile = profile if attempt < _ATTEMPTS // 2 else "typical"
            value = self._generator(wanted, minimal or attempt >= _ATTEMPTS - 2)(draw)
            if self.contract.is_valid(value):
                return value
        return self._mended(value)

    def _mended(self, value: Any) -> Any:
        """The value without the optional parts that break the schema: the part itself, else what holds it."""
        for attempt in range(40):
            problems = self.contract.problems(value, 5)
            if not problems:
                break
            for problem in problems:
                pointer = problem.pointer[:-1] if problem.rule == "required" else problem.pointer
                pointer = pointer[: max(0, len(pointer) - attempt // 8)]
                if pointer:
                    _remove(value, pointer)
        return value

    def records(self, count: int, seed: int = 0, mix: Mix = DEFAULT_MIX) -> Iterator[SyntheticRecord]:
        """`count` records, drawn as they are asked for."""
        draw = Draw(random.Random(f"records:{seed}"))
        for profile in mix.profiles(count):
            yield SyntheticRecord(self.draw(draw, profile), profile)


def _remove(value: Any, pointer: tuple[str | int, ...]) -> None:
    node = value
    for step in pointer[:-1]:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return
    last = pointer[-1]
    if isinstance(node, dict):
        node.pop(str(last), None)
    elif isinstance(node, list) and isinstance(last, int) and last < len(node):
        del node[last]


def generate_records(
    schema: JsonSchema, count: int, seed: int = 0, mix: Mix = DEFAULT_MIX, *, name: str = ""
) -> list[SyntheticRecord]:
    """`count` records of one schema.

    `name` says what a record is (`customer`), which helps to choose between a person's and a
    product's name. The same schema, count, seed and mix give the same records.
    """
    return list(RecordGenerator(schema, name=name).records(count, seed, mix))
