"""JSONPath (RFC 9535), as much as overlays use: names, indexes, slices, wildcards, `..`, filters.

Filters know comparison, `&&`, `||`, `!`, existence, and the functions length, count, match and search
(whose patterns run in RE2). A query yields places (container, key), so that a place can be removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from vitesse_graph.errors import InputError

Place = tuple[Any, Any]
"""(container, key): the node is `container[key]`. The root's place is ([root], 0)."""
Selector = Callable[[Any, Any], Iterator[Any]]
"""(root, node) → keys of the node that are selected."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)
    |(?P<op>\.\.|&&|\|\||==|!=|<=|>=|[$@.\[\]()*,:?!<>])|(?P<name>[^\s.\[\]()*,:?!<>=&|'"$@]+))""",
    re.VERBOSE,
)
_MISSING = object()
MAX_PLACES = 200_000


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Segment:
    selectors: tuple[Selector, ...]
    is_descendant: bool


class Query:
    """A compiled path. Raises InputError when the text is no path."""

    def __init__(self, text: str) -> None:
        self.text = text
        parser = _Parser(text)
        parser.expect("$")
        self._segments = parser.segments()
        if parser.peek() is not None:
            raise parser.fault("unexpected text")

    def places(self, root: Any) -> list[Place]:
        """Every selected place, each once, in document order."""
        return _walk(self._segments, root, ([root], 0))


def _walk(segments: tuple[_Segment, ...], root: Any, start: Place) -> list[Place]:
    places: list[Place] = [start]
    for segment in segments:
        found: dict[tuple[int, Any], Place] = {}
        for container, key in places:
            origins = _descend(container[key]) if segment.is_descendant else [container[key]]
            for node in origins:
                for selector in segment.selectors:
                    for inner in selector(root, node):
                        found.setdefault((id(node), inner), (node, inner))
                        if len(found) > MAX_PLACES:
                            raise InputError(
                                f"a JSONPath selects more than {MAX_PLACES} places (fixed limit)"
                            )
        places = list(found.values())
    return places


def _descend(node: Any) -> Iterator[Any]:
    """The node and all below it; each container once, however often it is shared."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if not isinstance(here, dict | list) or id(here) in seen:
            continue
        seen.add(id(here))
        yield here
        waiting.extend(reversed(list(here.values()) if isinstance(here, dict) else here))


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[_Token] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            found = _TOKEN.match(stripped, position)
            if found is None or found.lastgroup is None:
                raise self.fault(f"cannot be read at position {position}")
            self._tokens.append(_Token(found.lastgroup, found.group(found.lastgroup)))
            position = found.end()
        self._at = 0

    def fault(self, what: str) -> InputError:
        return InputError(f"the JSONPath {self._text[:120]!r} is not understood: {what}")

    def peek(self) -> str | None:
        return self._tokens[self._at].text if self._at < len(self._tokens) else None

    def take(self) -> _Token:
        if self._at >= len(self._tokens):
            raise self.fault("it breaks off")
        self._at += 1
        return self._tokens[self._at - 1]

    def expect(self, text: str) -> None:
        if self.take().text != text:
            raise self.fault(f"{text!r} was expected")

    def accept(self, text: str) -> bool:
        if self.peek() == text:
            self._at += 1
            return True
        return False

    def segments(self) -> tuple[_Segment, ...]:
        found: list[_Segment] = []
        while True:
            if self.accept(".."):
                inner = self._bracket() if self.accept("[") else (self._dotted(),)
                found.append(_Segment(inner, is_descendant=True))
            elif self.accept("."):
                found.append(_Segment((self._dotted(),), is_descendant=False))
            elif self.accept("["):
                found.append(_Segment(self._bracket(), is_descendant=False))
            else:
                return tuple(found)

    def _dotted(self) -> Selector:
        token = self.take()
        if token.text == "*":
            return _all
        if token.kind not in ("name", "number"):
            raise self.fault(f"a name was expected, not {token.text!r}")
        return _named(token.text)

    def _bracket(self) -> tuple[Selector, ...]:
        selectors = [self._selector()]
        while self.accept(","):
            selectors.append(self._selector())
        self.expect("]")
        return tuple(selectors)

    def _selector(self) -> Selector:
        if self.accept("*"):
            return _all
        if self.accept("?"):
            return _filtered(self._or())
        if self._at < len(self._tokens) and self._tokens[self._at].kind == "string":
            return _named(_unquote(self.take().text))
        bounds: list[int | None] = [self._integer()]
        while self.accept(":"):
            bounds.append(self._integer())
        if len(bounds) == 1:
            if bounds[0] is None:
                raise self.fault("empty brackets")
            return _indexed(bounds[0])
        return _sliced(slice(*bounds[:3]))

    def _integer(self) -> int | None:
        text = self.peek()
        if text is None or not re.fullmatch(r"-?\d+", text):
            return None
        self.take()
        return int(text)

    def _or(self) -> Test:
        tests = [self._and()]
        while self.accept("||"):
            tests.append(self._and())
        return lambda root, node: any(test(root, node) for test in tests)

    def _and(self) -> Test:
        tests = [self._unary()]
        while self.accept("&&"):
            tests.append(self._unary())
        return lambda root, node: all(test(root, node) for test in tests)

    def _unary(self) -> Test:
        if self.accept("!"):
            inner = self._unary()
            return lambda root, node: not inner(root, node)
        if self.accept("("):
            inner = self._or()
            self.expect(")")
            return inner
        left = self._operand()
        operator = self.peek()
        if operator in _COMPARE:
            self.take()
            right = self._operand()
            compare = _COMPARE[operator]
            return lambda root, node: compare(left(root, node), right(root, node))
        return lambda root, node: (
            left(root, node) not in (_MISSING, False) if _is_plain(left(root, node)) else True
        )

    def _operand(self) -> Value:
        token = self.take()
        if token.text in ("@", "$"):
            segments, is_root = self.segments(), token.text == "$"
            return lambda root, node: _first(segments, root, root if is_root else node)
        if token.kind == "string":
            text = _unquote(token.text)
            return lambda _root, _node: text
        if token.kind == "number":
            number = float(token.text) if re.search(r"[.eE]", token.text) else int(token.text)
            return lambda _root, _node: number
        words = {"true": True, "false": False, "null": None}
        if token.text in words:
            word = words[token.text]
            return lambda _root, _node: word
        return self._function(token.text)

    def _function(self, name: str) -> Value:
        if name not in _FUNCTIONS:
            raise self.fault(f"there is no function {name!r}")
        self.expect("(")
        arguments = [self._operand()]
        while self.accept(","):
            arguments.append(self._operand())
        self.expect(")")
        function = _FUNCTIONS[name]
        return lambda root, node: function(*(argument(root, node) for argument in arguments))


Test = Callable[[Any, Any], bool]
Value = Callable[[Any, Any], Any]


def _is_plain(value: Any) -> bool:
    return value is _MISSING or isinstance(value, bool)


def _first(segments: tuple[_Segment, ...], root: Any, start: Any) -> Any:
    places = _walk(segments, root, ([start], 0))
    return places[0][0][places[0][1]] if places else _MISSING


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _all(_root: Any, node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from list(node)
    elif isinstance(node, list):
        yield from range(len(node))


def _named(name: str) -> Selector:
    def select(_root: Any, node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            if name in node:
                yield name
            elif name.isdigit() and int(name) in node:  # response codes read from YAML
                yield int(name)

    return select


def _indexed(index: int) -> Selector:
    def select(_root: Any, node: Any) -> Iterator[Any]:
        if isinstance(node, list) and -len(node) <= index < len(node):
            yield index % len(node)

    return select


def _sliced(bounds: slice) -> Selector:
    def select(_root: Any, node: Any) -> Iterator[Any]:
        if isinstance(node, list) and bounds.step != 0:
            yield from range(len(node))[bounds]

    return select


def _filtered(test: Test) -> Selector:
    def select(root: Any, node: Any) -> Iterator[Any]:
        for key in _all(root, node):
            if test(root, node[key]):
                yield key

    return select


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def judge(left: Any, right: Any) -> bool:
        kinds: tuple[Any, ...] = (str, (int, float))
        return any(isinstance(left, k) and isinstance(right, k) for k in kinds) and compare(left, right)

    return judge


_COMPARE: dict[str | None, Callable[[Any, Any], bool]] = {
    "==": lambda left, right: (
        left is right or (left is not _MISSING and right is not _MISSING and left == right)
    ),
    "!=": lambda left, right: (
        not (left is right or (left is not _MISSING and right is not _MISSING and left == right))
    ),
    "<": _ordered(lambda left, right: left < right),
    ">": _ordered(lambda left, right: left > right),
    "<=": _ordered(lambda left, right: left <= right),
    ">=": _ordered(lambda left, right: left >= right),
}


def _matches(value: Any, pattern: Any, *, whole: bool) -> bool:
    import re2

    if not isinstance(value, str) or not isinstance(pattern, str):
        return False
    try:
        compiled = re2.compile(pattern)
    except re2.error as error:
        raise InputError(f"the pattern {pattern[:80]!r} in a JSONPath is not understood") from error
    return (compiled.fullmatch(value) if whole else compiled.search(value)) is not None


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "length": lambda value: len(value) if isinstance(value, str | list | dict) else _MISSING,
    "count": lambda value: len(value) if isinstance(value, list | dict) else int(value is not _MISSING),
    "match": lambda value, pattern: _matches(value, pattern, whole=True),
    "search": lambda value, pattern: _matches(value, pattern, whole=False),
    "value": lambda value: value,
}
