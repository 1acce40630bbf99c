"""One side of a mapping, ready to be compared: fields, terms, and what they are made of as arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vitesse_graph.mapping.schema import Field, read_fields
from vitesse_graph.mapping.tables import codes_in_text, yes_no
from vitesse_graph.mapping.terms import Term, describe_fields
from vitesse_graph.mapping.words import notions, plain_words, text_words
from vitesse_graph.mapping.wrappers import unwrapped
from vitesse_graph.state.jsontypes import JsonSchema

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = ("text", "number", "boolean", "time", "enum", "object", "any", "id", "email", "url", "phone")
_TIME_FORMATS = frozenset(
    (
        "date",
        "date-time",
        "datetime",
        "unix-time",
        "timestamp",
        "epoch",
        "time",
        "rfc2822",
        "date-time-rfc-2822",
        "rfc1123",
        "unix",
    )
)
_NO_TIMES = frozenset(("byte", "binary", "uuid", "email", "uri", "url", "hostname"))
_TIME_WORDS = frozenset(("time", "date", "timestamp"))
_TIME_TEXT = re.compile(r"unix|epoch|iso.?8601|rfc.?(3339|2822)|yyyy|timestamp|seconds since|utc date", re.I)
TIME_NOTIONS = frozenset(
    [
        "created_time",
        "updated_time",
        "deleted_time",
        "due_date",
        "start_time",
        "end_time",
        "published_time",
        "sent_time",
        "closed_time",
        "completed_time",
        "paid_time",
        "posted_date",
        "signup_time",
        "login_time",
        "hire_date",
        "termination_date",
        "birth_date",
        "order_date",
        "issue_date",
        "ship_date",
        "delivery_date",
        "date",
        "close_date",
    ]
)
MONEY_NOTIONS = frozenset(
    [
        "amount",
        "price",
        "unit_price",
        "total",
        "subtotal",
        "tax_amount",
        "discount_amount",
        "shipping_amount",
        "line_amount",
        "balance",
        "amount_due",
        "amount_paid",
        "fee",
        "cost",
        "salary",
        "lifetime_value",
        "revenue",
        "deal_value",
    ]
)
_NUMBER_FORMATS = frozenset(("decimal", "double", "float", "number", "money", "int32", "int64"))
ID_NOTIONS = frozenset(("id", "external_id", "employee_number"))


def is_time(f: Field, term: Term) -> bool:
    """Whether the field holds a point in time or a day, by format, name or description."""
    if (f.place.format or "").lower() in _TIME_FORMATS:
        return True
    if f.type not in ("string", "integer", "number", "any") or f.place.enum:
        return False
    if (f.place.format or "").lower() in _NO_TIMES:
        return False
    if term.notion in TIME_NOTIONS:
        return True
    return bool(term.words and term.words[-1] in _TIME_WORDS and _TIME_TEXT.search(f.place.description))


def kind_of(f: Field, term: Term) -> str:
    """What sort of value the field holds, coarser than its notion and finer than its JSON type."""
    if f.type == "boolean":
        return "boolean"
    if is_time(f, term):
        return "time"
    if yes_no(f) is not None:
        return "boolean"
    if f.type == "integer" and not f.is_list and codes_in_text(f.place.description):
        return "enum"
    if f.place.enum and len(f.place.enum) > 0 and f.type in ("string", "any"):
        return "enum"
    if term.notion in ID_NOTIONS and f.type in ("string", "integer", "any"):
        return "id"
    if f.type in ("integer", "number") or _is_number_text(f, term):
        return "number"
    if f.type == "object":
        return "object"
    if f.type == "string":
        return {"email": "email", "uri": "url", "url": "url", "phone": "phone"}.get(
            f.place.format or term.notion, "text"
        )
    return "any"


def _is_number_text(f: Field, term: Term) -> bool:
    """An amount or a count that is written as text: `"12.50"`."""
    if f.type != "string":
        return False
    return (f.place.format or "").lower() in _NUMBER_FORMATS or term.notion in (*MONEY_NOTIONS, "quantity")


@dataclass(slots=True)
class Side:
    """Fields of one schema with their terms; indexes of all arrays are positions in `fields`."""

    fields: list[Field]
    terms: list[Term]
    kinds: list[str]
    parents: list[str]
    parent_of: Ints
    depth: Floats
    arrays: Floats
    required: Floats
    required_here: Floats
    is_list: Floats
    kind_index: Ints
    desc_words: list[tuple[str, ...]]
    root: str = ""
    """Path of the object that is the record itself: what lies around it is an envelope."""
    inside: Floats = field(default_factory=lambda: np.zeros(0))
    """1 for fields of the record, 0 for those of its envelope (paging, warnings …)."""
    resource: frozenset[str] = frozenset()
    """Notions of what one record is (`contact`), from the title, the name given, the intent."""
    by_path: dict[str, int] = field(default_factory=dict)
    families: dict[str, tuple[Field, ...]] = field(default_factory=dict)

    def beside(self, own: Field) -> tuple[Field, ...]:
        """The fields of the same object, itself among them."""
        return self._grouped()[own.parent]

    def entry_of(self, own: Field) -> tuple[Field, ...]:
        """The fields right in the innermost array's entry: `primary` for `addresses[].data.city`."""
        head, found, _ = own.parent.rpartition("[]")
        return self._grouped().get(head + found, ())

    def _grouped(self) -> dict[str, tuple[Field, ...]]:
        if not self.families:
            groups: dict[str, list[Field]] = {}
            for f in self.fields:
                groups.setdefault(f.parent, []).append(f)
            self.families.update({parent: tuple(group) for parent, group in groups.items()})
        return self.families


def make_side(schema: JsonSchema, *, writable_only: bool, topic: str = "") -> Side:
    """The side for a schema. A destination leaves out read-only fields, a source write-only ones."""
    fields = [
        unwrapped(f)
        for f in read_fields(schema)
        if not (f.read_only if writable_only else f.place.write_only)
    ]
    fields.sort(key=lambda f: f.path)
    return side_of(fields, topic)


def record_root(fields: list[Field]) -> str:
    """The object that nearly all fields lie in, going inwards while little else stands beside it.

    `data.attributes` and `Contacts[]` are envelopes; an order with many line item fields is none,
    as the order has fields of its own.
    """
    root = ""
    while True:
        inside = [f for f in fields if f.path.startswith(root + "." if root else "")]
        own = [f for f in inside if f.parent == root]
        telling = [f for f in own if not (f.place.enum is not None and len(f.place.enum) == 1)]
        below: dict[str, int] = {}
        for f in inside:
            if f.parent != root:
                rest = f.path[len(root) + 1 if root else 0 :]
                below[rest.partition(".")[0]] = below.get(rest.partition(".")[0], 0) + 1
        name, count = max(below.items(), key=lambda item: (item[1], item[0]), default=("", 0))
        if count < 0.7 * len(inside) or len(telling) > 2 or len(telling) >= count or len(inside) < 3:
            return root
        root = f"{root}.{name}" if root else name


def _root_words(root: str) -> tuple[str, ...]:
    return notions(plain_words(root.replace("[]", "").replace(".", "_"))) if root else ()


def side_of(fields: list[Field], topic: str = "") -> Side:
    """The side for these fields."""
    root = record_root(fields)
    terms = describe_fields(fields, root)
    kinds = [kind_of(f, t) for f, t in zip(fields, terms, strict=True)]
    parents = sorted({f.parent for f in fields})
    index = {parent: at for at, parent in enumerate(parents)}
    return Side(
        fields,
        terms,
        kinds,
        parents,
        np.array([index[f.parent] for f in fields], dtype=np.int64),
        _floats(
            [f.depth - root.count(".") - bool(root) if f.path.startswith(root) else f.depth for f in fields]
        ),
        _floats(
            [
                len(f.array_at) - root.count("[]") if f.path.startswith(root) else len(f.array_at)
                for f in fields
            ]
        ),
        _floats([f.required for f in fields]),
        _floats([f.required_here for f in fields]),
        _floats([f.is_list for f in fields]),
        np.array([KINDS.index(k) for k in kinds], dtype=np.int64),
        [text_words(f.place.description) for f in fields],
        root,
        _floats([f.path.startswith(root) for f in fields]),
        frozenset(notions(plain_words(topic))) | frozenset(_root_words(root)),
        {f.path: at for at, f in enumerate(fields)},
    )


def _floats(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64)


@lru_cache(maxsize=1)
def kind_compatibility() -> Floats:
    """How well a source value of one kind suits a destination of another: -1 (never) to 1 (as it is)."""
    table = np.full((len(KINDS), len(KINDS)), -0.2)
    for row in _COMPATIBLE.strip().splitlines():
        source, dest, value = row.split()
        table[KINDS.index(source), KINDS.index(dest)] = float(value)
    np.fill_diagonal(table, 1.0)
    return table


_COMPATIBLE = """
text number -0.1
text boolean -0.9
text time -0.4
text enum 0.1
text object -1
text any 0.6
text id 0.3
text email 0.4
text url 0.3
text phone 0.5
number text 0.2
number boolean -0.7
number time -0.5
number enum -0.5
number object -1
number any 0.5
number id 0.2
number email -1
number url -1
number phone -0.3
boolean text -0.7
boolean number -0.8
boolean time -1
boolean enum 0.2
boolean object -1
boolean any 0.2
boolean id -1
boolean email -1
boolean url -1
boolean phone -1
time text -0.3
time number -0.4
time boolean -0.4
time enum -0.5
time object -1
time any 0.3
time id -1
time email -1
time url -1
time phone -1
enum text 0.3
enum number -0.7
enum boolean 0.1
enum time -1
enum object -1
enum any 0.4
enum id -0.6
enum email -1
enum url -1
enum phone -1
object text -0.9
object number -1
object boolean -1
object time -1
object enum -1
object any 0.2
object id -1
object email -1
object url -1
object phone -1
any text 0.5
any number 0.3
any boolean 0.1
any time 0.2
any enum 0.2
any object 0.2
any id 0.3
any email 0.3
any url 0.3
any phone 0.3
id text 0.2
id number 0
id boolean -1
id time -1
id enum -0.8
id object -1
id any 0.4
id email -0.8
id url -0.7
id phone -0.9
email text 0.5
email number -1
email boolean -1
email time -1
email enum -1
email object -1
email id 0.1
email any 0.5
email url -0.9
email phone -0.9
url text 0.4
url number -1
url boolean -1
url time -1
url enum -1
url object -1
url id -0.2
url any 0.5
url email -0.9
url phone -0.9
phone text 0.5
phone number 0
phone boolean -1
phone time -1
phone enum -1
phone object -1
phone id -0.3
phone any 0.5
phone email -0.9
phone url -0.9
"""
