"""Believable data from a JSON Schema, and the check whether data keeps one."""

from vitesse_graph.synthetic.contract import Contract, Problem, dotted
from vitesse_graph.synthetic.draw import Draw, Profile
from vitesse_graph.synthetic.meaning import Meaning, meaning_of
from vitesse_graph.synthetic.records import (
    DEFAULT_MIX,
    TYPICAL,
    Mix,
    RecordGenerator,
    SyntheticRecord,
    generate_records,
)

__all__ = [
    "DEFAULT_MIX",
    "TYPICAL",
    "Contract",
    "Draw",
    "Meaning",
    "Mix",
    "Problem",
    "Profile",
    "RecordGenerator",
    "SyntheticRecord",
    "dotted",
    "generate_records",
    "meaning_of",
]
