"""Source text for a mapping: one function, straight through the destination's tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vitesse_graph.transforms.gather import make_gatherer
from vitesse_graph.transforms.layout import Node
from vitesse_graph.transforms.paths import Step
from vitesse_graph.transforms.plan import Row
from vitesse_graph.transforms.result import FieldError
from vitesse_graph.transforms.text import as_text

Steps = tuple[Step, ...]
_SCALARS = (str, int, float, bool, type(None))


class Scope:
    """Where source values are read from: the record, or one element of a source array.

    Objects on the way to a value are looked up once, ahead of the scope's own lines.
    """

    def __init__(self, at: Steps, variable: str, element: str, outer: Scope | None) -> None:
        self.at = at
        self.variable = variable
        """An object for certain (an empty one in place of anything else)."""
        self.element = element
        """The element as it is."""
        self.outer = outer
        self.prelude: list[str] = []
        self.known: dict[Steps, str] = {}

    def holding(self, source: Steps) -> Scope:
        """The innermost scope whose array this source path goes through."""
        if source[: len(self.at)] == self.at or self.outer is None:
            return self
        return self.outer.holding(source)


class Emitter:
    """Collects lines and the constants that they name."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}
        self._lines: list[str] = []
        self._indent = 1
        self._count = 0

    def module(self, root: Node) -> str:
        """The whole source: `run(record, errors) -> body`."""
        scope = Scope((), "r", "r", None)
        self._object(root, _Place("d", "", "errors", scope))
        prelude = [f"    {line}" for line in scope.prelude]
        opening = [
            "def run(r, errors):",
            "    if not isinstance(r, dict): return no_object(r, errors)",
            "    d = {}",
        ]
        return "\n".join([*opening, *prelude, *self._lines, "    return d", ""])

    def _name(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._indent += 1
        yield
        self._indent -= 1

    def _constant(self, value: Any, letter: str = "c") -> str:
        name = self._name(letter.upper())
        self.constants[name] = value
        return name

    def _literal(self, value: Any) -> str:
        """An expression that gives the value anew each time: nothing in a body is shared."""
        name = self._constant(value)
        return name if isinstance(value, _SCALARS) else f"copied({name})"

    # the destination's tree

    def _object(self, node: Node, place: _Place) -> None:
        for name, row in node.rows.items():
            if row.is_constant:
                self._line(f"{place.target}[{name!r}] = {self._literal(row.constant)}")
        for name, row in node.rows.items():
            if not row.is_constant:
                self._row(row, f"{place.target}[{name!r}]", place)
        for name, child in node.objects.items():
            inner = self._open(place, place.scope, place.sink, is_live=_needed_anyway(child))
            self._object(child, inner)
            self._close(f"{place.target}[{name!r}] = {inner.target}", inner, place)
        for name, child in node.arrays.items():
            if child.driver is None:
                inner = self._open(place, place.scope, place.sink)
                self._object(child, inner)
                self._close(f"{place.target}[{name!r}] = [{inner.target}]", inner, place)
            else:
                self._array(name, child, child.driver, place)

    def _open(self, outer: _Place, scope: Scope, sink: str, is_live: bool = False) -> _Place:
        """A new object that is being filled, with a flag for whether anything real is in it."""
        inner = _Place(self._name("d"), self._name("n"), sink, scope)
        self._line(f"{inner.target} = {{}}")
        self._line(f"{inner.live} = {is_live!r}")
        return inner

    def _close(self, keep: str, inner: _Place, outer: _Place) -> None:
        self._line(f"if {inner.live}:")
        with self._deeper():
            self._line(keep)
            self._mark_live(outer)

    def _mark_live(self, place: _Place) -> None:
        if place.live:
            self._line(f"{place.live} = True")

    def _array(self, name: str, child: Node, driver: Steps, place: _Place) -> None:
        gathered, element, record, sink = (self._name(letter) for letter in "aerq")
        self._line(f"{gathered} = []")
        self._line(f"for {element} in {self._elements(driver, place.scope.holding(driver))}:")
        with self._deeper():
            self._line(f"{record} = {element} if isinstance({element}, dict) else EMPTY")
            self._line(f"{sink} = []")
            scope = Scope(driver, record, element, place.scope)
            inner = self._open(place, scope, sink)
            at, indent = len(self._lines), "    " * self._indent
            self._object(child, inner)
            self._lines[at:at] = [indent + line for line in scope.prelude]
            self._line(f"if {inner.live}:")
            with self._deeper():
                self._line(f"{gathered}.append({inner.target})")
                self._line(f"errors.extend({sink})")
        self._line(f"if {gathered}:")
        with self._deeper():
            self._line(f"{place.target}[{name!r}] = {gathered}")
            self._mark_live(place)

    def _elements(self, driver: Steps, base: Scope) -> str:
        rest = driver[len(base.at) :]
        names = rest[:-1]
        if any(step.is_array for step in names):
            return f"elements({base.element}, {self._constant(rest)})"
        if not names:
            return f"items_of({base.element})"
        return f"items_of({self._holder(base, names[:-1])}.get({names[-1].name!r}))"

    def _holder(self, scope: Scope, names: Steps) -> str:
        """The variable of the object at these names; looked up once per scope."""
        if not names:
            return scope.variable
        if names not in scope.known:
            outer = self._holder(scope, names[:-1])
            variable = scope.known[names] = self._name("o")
            scope.prelude.append(f"{variable} = {outer}.get({names[-1].name!r})")
            scope.prelude.append(f"if not isinstance({variable}, dict): {variable} = EMPTY")
        return scope.known[names]

    # one row

    def _row(self, row: Row, place: str, inside: _Place) -> None:
        value, gathers = self._value(row, inside.scope)
        if not gathers:
            self._line(f"v = {value}")
            self._use(row, place, inside)
            return
        self._line("v = None")
        self._line("try:")
        with self._deeper():
            self._line(f"v = {value}")
        self._line("except Exception as x:")
        with self._deeper():
            self._refused(row, place, inside)
        self._line("else:")
        with self._deeper():
            self._use(row, place, inside)

    def _value(self, row: Row, scope: Scope) -> tuple[str, bool]:
        """An expression for the value that the row's function takes, and whether it can raise."""
        if row.whole_record:
            return "r", False
        scopes = [scope.holding(source) for source in row.sources]
        rests = [source[len(s.at) :] for s, source in zip(scopes, row.sources, strict=True)]
        needs_gathering = (
            row.as_list
            or row.explicit_reduce
            or bool(row.where or row.prefer)
            or any(map(_has_arrays, rests))
        )
        if row.as_list and len(rests) == 1 and not (row.where or row.prefer) and not _has_arrays(rests[0]):
            return f"listed({self._part(row, rests[0], scopes[0], as_it_is=True)})", False
        if (
            row.explicit_reduce
            and row.reduce == "all"
            and len(rests) == 1
            and not (row.where or row.prefer or row.as_list or _has_arrays(rests[0]))
        ):
            return f"all_of({self._part(row, rests[0], scopes[0])})", False
        if needs_gathering and len(set(map(id, scopes))) == 1:
            return self._gathered(row, rests, scopes[0], combine=len(rests) > 1), True
        parts = [self._part(row, rest, s) for rest, s in zip(rests, scopes, strict=True)]
        if len(parts) == 1:
            return parts[0], needs_gathering
        return f"{self._combiner(row)}(together({', '.join(parts)}))", True

    def _part(self, row: Row, rest: Steps, scope: Scope, as_it_is: bool = False) -> str:
        if _has_arrays(rest) or (row.as_list and not as_it_is):
            return self._gathered(row, [rest], scope, combine=False)
        if not rest:
            return scope.element
        return f"{self._holder(scope, rest[:-1])}.get({rest[-1].name!r})"

    def _gathered(self, row: Row, rests: list[Steps], scope: Scope, combine: bool) -> str:
        gather = make_gatherer(
            rests,
            as_list=row.as_list,
            reduce=row.reduce,
            spread=row.explicit_reduce,
            where=row.where,
            prefer=row.prefer,
            separator=row.separator,
        )
        call = f"{self._constant(gather)}({scope.element})"
        return f"{self._combiner(row)}({call})" if combine else call

    def _combiner(self, row: Row) -> str:
        return self._constant(combiner(row))

    def _use(self, row: Row, place: str, inside: _Place) -> None:
        if row.empty_is_null:
            self._line("if v == '': v = None")
        if row.function is None:
            self._line("if v is not None:")
            with self._deeper():
                self._store(place, "v", inside)
            self._missing(row, place, inside, "else:")
            return
        call = f"w = {self._constant(row.function)}(v)"
        self._line("if v is not None:" if not row.sees_null else "if True:")
        with self._deeper():
            self._line("try:")
            with self._deeper():
                self._line(call)
            self._line("except Exception as x:")
            with self._deeper():
                self._refused(row, place, inside)
            self._line("else:")
            with self._deeper():
                self._line("if w is not None:")
                with self._deeper():
                    self._store(place, "w", inside)
                self._missing(row, place, inside, "else:")
        self._missing(row, place, inside, "else:")

    def _store(self, place: str, variable: str, inside: _Place) -> None:
        self._line(f"{place} = {variable}")
        self._mark_live(inside)

    def _missing(self, row: Row, place: str, inside: _Place, opening: str) -> None:
        action = None
        if row.on_null == "default":
            action = f"{place} = {self._literal(row.default)}"
        elif row.on_null == "null":
            action = f"{place} = None"
        elif row.on_null == "error" or row.required:
            reason = "required, but the source has no value" if row.required else "the source has no value"
            error = FieldError(row.name, row.source_name, "missing", reason)
            action = f"{inside.sink}.append({self._constant(error)})"
        if action is not None:
            self._line(opening)
            with self._deeper():
                self._line(action)

    def _refused(self, row: Row, place: str, inside: _Place) -> None:
        if row.on_error == "default":
            self._line(f"{place} = {self._literal(row.default)}")
        elif row.on_error == "null":
            self._line(f"{place} = None")
        elif row.on_error == "keep":
            self._store(place, "v", inside)
        elif row.on_error == "skip" and not row.required:
            self._line("pass")
        else:
            self._line(f"fail(errors, {self._constant(row)}, v, x)")


@dataclass(slots=True)
class _Place:
    """An object being filled: its variable, its flag (empty for the body itself), where gaps are noted."""

    target: str
    live: str
    sink: str
    scope: Scope


def _has_arrays(steps: Steps) -> bool:
    return any(step.is_array for step in steps)


def _needed_anyway(node: Node) -> bool:
    """Whether an object must be there even when no source has a value: it holds a required constant."""
    return any(row.is_constant and row.required for row in node.rows.values()) or any(
        map(_needed_anyway, node.objects.values())
    )


def combiner(row: Row) -> Callable[[Any], Any]:
    """What makes one value of several fields: the function's own affair, or as `combine` says."""
    if row.many:
        return lambda values: values
    if row.as_list:
        return _flat
    if row.combine == "list":
        return lambda values: None if values is None else [v for v in values if v is not None]
    if row.combine == "join":
        return lambda values: _joined(values, row.separator)
    return lambda values: next((v for v in values or () if v is not None and v != ""), None)


def _flat(values: Any) -> list[Any] | None:
    if values is None:
        return None
    flat = [inner for v in values if v is not None for inner in (v if isinstance(v, list) else (v,))]
    return flat or None


def _joined(values: Any, separator: str) -> str | None:
    texts = [as_text(v).strip() for v in values or () if v is not None]
    return separator.join(t for t in texts if t) or None
