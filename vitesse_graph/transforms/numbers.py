"""Numbers and money. All arithmetic is decimal; rounding is half away from zero unless stated."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from vitesse_graph.transforms.registry import Apply, transform
from vitesse_graph.transforms.result import TransformProblem

_ROUNDING = {
    "half_up": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
    "down": decimal.ROUND_DOWN,
    "up": decimal.ROUND_UP,
    "floor": decimal.ROUND_FLOOR,
    "ceiling": decimal.ROUND_CEILING,
}
_CONTEXT = decimal.Context(prec=60, Emax=999, Emin=-999)
MAX_DIGITS = 400
"""Longer texts are refused as numbers before they cost time."""


def to_decimal(value: Any, decimal_separator: str = ".", thousands_separator: str = "") -> Decimal:
    """The exact decimal that a JSON number or a numeric string stands for.

    A separator other than the stated one is refused rather than guessed ("1.999,99" is two
    different amounts in two countries). NaN and infinities are refused.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise TransformProblem("not a number")
    if isinstance(value, str):
        value = _plain(value, decimal_separator, thousands_separator)
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (decimal.InvalidOperation, ValueError):
        raise TransformProblem("not a number") from None
    if not number.is_finite() or abs(number.adjusted()) > MAX_DIGITS:
        raise TransformProblem("not a finite number")
    return number


def _plain(text: str, decimal_separator: str, thousands_separator: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_DIGITS or "_" in text or not text.isascii():
        raise TransformProblem("not a number")
    if thousands_separator:
        text = text.replace(thousands_separator, "")
    if decimal_separator != ".":
        if "." in text:
            raise TransformProblem("not a number in the stated notation")
        text = text.replace(decimal_separator, ".")
    return text


def to_json_number(number: Decimal) -> int | float:
    """The JSON number that prints as this decimal does: an int where it is whole."""
    if number == number.to_integral_value():
        return int(number)
    return float(number)


def rounder(decimals: int | None, rounding: str = "half_up") -> Callable[[Decimal], Decimal]:
    """A function that rounds to so many places (None: not at all)."""
    mode = _ROUNDING[rounding]
    if decimals is None:
        return lambda number: number
    if not 0 <= int(decimals) <= 30:
        raise ValueError("decimals must be between 0 and 30")
    quantum = Decimal(1).scaleb(-int(decimals))

    def round_to(number: Decimal) -> Decimal:
        try:
            return number.quantize(quantum, rounding=mode, context=_CONTEXT)
        except decimal.InvalidOperation:
            raise TransformProblem("number out of range") from None

    return round_to


def number_parser(
    to: str = "number",
    decimals: int | None = None,
    rounding: str = "half_up",
    decimal_separator: str = ".",
    thousands_separator: str = "",
) -> Apply:
    """string → number or integer. An integer with a fraction is refused unless `decimals` is 0."""
    if to not in ("number", "integer"):
        raise ValueError("to must be number or integer")
    round_to = rounder(decimals, rounding)
    places = 15 if decimals is None else int(decimals)
    is_plain = decimal_separator == "." and to == "number"

    def parse(value: Any) -> int | float:
        if is_plain and type(value) is str and len(value) < 16:
            # The common case, twice as fast: no rounding to do, and few enough digits for a float.
            head, _, tail = value.partition(".")
            if head.isdecimal() and tail.isdecimal() and len(tail) <= places and value.isascii():
                quick = float(value)
                return int(quick) if quick.is_integer() else quick
        number = round_to(to_decimal(value, decimal_separator, thousands_separator))
        if to == "integer" and number != number.to_integral_value():
            raise TransformProblem("not a whole number")
        return to_json_number(number)

    return parse


def number_writer(decimals: int | None = None, rounding: str = "half_up") -> Apply:
    """number → plain decimal string, never in scientific notation."""
    round_to = rounder(decimals, rounding)

    def write(value: Any) -> str:
        return format(round_to(to_decimal(value)), "f")

    return write


def _scaler(name: str, summary: str, power: int, inverse: str) -> None:
    def build(
        decimals: int = 2,
        as_string: bool = False,
        rounding: str = "half_up",
        currency_decimals: dict[str, int] | None = None,
        absolute: bool = False,
    ) -> Apply:
        own = int(decimals)
        rounder(own, rounding)
        table = {code.upper(): int(places) for code, places in (currency_decimals or {}).items()}

        def scale(value: Any) -> int | float | str:
            places = own
            if isinstance(value, list):
                if not value:
                    raise TransformProblem("not a number")
                value, currency = value[0], value[1] if len(value) > 1 else None
                places = currency_exponent(currency, own, table)
            number = to_decimal(value)
            number = _CONTEXT.multiply(abs(number) if absolute else number, Decimal(10) ** (power * places))
            number = rounder(places if power < 0 else 0, rounding)(number)
            return format(number, "f") if as_string else to_json_number(number)

        return scale

    transform(
        name,
        accepts=("number", "integer", "string"),
        returns="number",
        summary=summary,
        many=True,
        builder=True,
        inverse=lambda params: (
            None
            if params.get("absolute")  # the sign is gone
            else (inverse, {k: v for k, v in params.items() if k == "decimals"})
        ),
    )(build)


_ZERO_DECIMALS = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
_THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def currency_exponent(code: Any, default: int, table: dict[str, int]) -> int:
    """How many decimals a currency's minor unit has (ISO 4217); `default` for unknown codes."""
    if not isinstance(code, str):
        return default
    upper = code.upper()
    if upper in table:
        return table[upper]
    if upper in _ZERO_DECIMALS:
        return 0
    return 3 if upper in _THREE_DECIMALS else default


_scaler("minor_to_major", "minor units (cents) → decimal amount", -1, "major_to_minor")
_scaler("major_to_minor", "decimal amount → minor units (cents)", 1, "minor_to_major")


def _scale_back(params: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    if params.get("decimals") is not None or to_decimal(params["factor"]) == 0:
        return None  # rounded away
    return "scale", {"factor": params.get("divisor", 1), "divisor": params["factor"]}


@transform(
    "scale",
    accepts=("number", "integer", "string"),
    returns="number",
    builder=True,
    inverse=_scale_back,
)
def scale(
    factor: str | float, decimals: int | None = None, rounding: str = "half_up", divisor: str | float = 1
) -> Apply:
    """number × a fixed factor ÷ a fixed divisor (seconds ↔ hours, grams ↔ kilograms, share ↔ percent)."""
    by, over = to_decimal(factor), to_decimal(divisor)
    if over == 0:
        raise ValueError("divisor must not be 0")
    round_to = rounder(decimals, rounding)
    return lambda value: to_json_number(
        round_to(_CONTEXT.divide(_CONTEXT.multiply(to_decimal(value), by), over))
    )


@transform("absolute", accepts=("number", "integer", "string"), returns="number")
def absolute(value: Any) -> int | float:
    """number without its sign"""
    return to_json_number(abs(to_decimal(value)))


@transform(
    "negate", accepts=("number", "integer", "string"), returns="number", inverse=lambda _: ("negate", {})
)
def negate(value: Any) -> int | float:
    """number with its sign turned"""
    return to_json_number(-to_decimal(value))


@transform("sign_to_enum", accepts=("number", "integer", "string"), returns="any", builder=True)
def sign_to_enum(positive: Any, negative: Any, zero: Any = None) -> Apply:
    """the sign of a number → one of two values (zero counts as positive unless stated)"""
    at_zero = positive if zero is None else zero

    def pick(value: Any) -> Any:
        number = to_decimal(value)
        if number == 0:
            return at_zero
        return positive if number > 0 else negative

    return pick


@transform("sum", accepts=("array",), returns="number", whole=True, many=True, builder=True)
def total(decimals: int | None = None) -> Apply:
    """the sum of the numbers in an array, or of several fields"""
    round_to = rounder(decimals)

    def add(values: Any) -> int | float:
        items = values if isinstance(values, list) else [values]
        return to_json_number(round_to(sum((to_decimal(v) for v in items if v is not None), Decimal(0))))

    return add


transform(
    "to_number",
    accepts=("string", "number", "integer"),
    returns="number",
    summary="text → number (what `parse` does, for the elements of a list or as one of several steps)",
    builder=True,
    inverse=lambda _: ("to_text", {}),
)(number_parser)
