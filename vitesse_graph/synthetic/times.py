"""Texts that name a moment: plausible ones, in the notation that a field wants."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.draw import NOW, Draw, Generate
from vitesse_graph.synthetic.meaning import words


def clock(draw: Draw) -> str:
    """A time of day."""
    second = int(draw.random() * 86_400)
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"


def is_mail_date(schema: JsonSchema) -> bool:
    kind, description = schema.get("format"), str(schema.get("description", ""))
    return "2822" in str(kind) or (kind is None and bool(re.search(r"rfc.?2822", description, re.I)))


def mail_date(draw: Draw) -> str:
    """The record's moment as mail has it."""
    return format_datetime(datetime.fromtimestamp(draw.created, UTC))


def _is_later(name: str) -> bool:
    return any(
        word in words(name) for word in ("updat", "modif", "last", "clos", "end", "paid", "expir", "due")
    )


def moment_generator(name: str) -> Generate:
    """ISO 8601 moments; what is updated lies after what was created. One in eight carries an offset."""
    later = _is_later(name)

    def generate(draw: Draw) -> str:
        at = draw.created + (int(draw.random() * (NOW - draw.created)) if later else 0)
        if draw.random() < 0.125:
            zone = timezone(timedelta(minutes=(-300, 60, 120, 330, 540)[int(draw.random() * 5)]))
            return datetime.fromtimestamp(at, zone).isoformat()
        return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")

    return generate


def day_generator(name: str) -> Generate:
    """Days as YYYY-MM-DD; birthdays decades back."""
    plain = words(name)
    back = 30 * 365 * 86_400 if "birth" in plain or "dob" in plain else 0
    later = _is_later(name)

    def generate(draw: Draw) -> str:
        at = draw.created + (int(draw.random() * (NOW - draw.created)) if later else 0) - back
        return datetime.fromtimestamp(at, UTC).date().isoformat()

    return generate


# Times as examples write them, and how to write others so.
_DATES = (
    (r"20\d\d-[01]\d", "%Y-%m"), (r"20\d\d-[01]\d-[0-3]\d", "%Y-%m-%d"), (r"20\d\d/[01]\d/[0-3]\d", "%Y/%m/%d"),
    (r"20\d\d[01]\d[0-3]\d", "%Y%m%d"), (r"[0-3]\d\.[01]\d\.20\d\d", "%d.%m.%Y"), (r"[01]\d/20\d\d", "%m/%Y"),
    (r"[012]\d:[0-5]\d", "%H:%M"), (r"[012]\d:[0-5]\d:[0-5]\d", "%H:%M:%S"),
    (r"20\d\d-[01]\d-[0-3]\dT[012]\d:[0-5]\d", "%Y-%m-%dT%H:%M"),
    (r"20\d\d-[01]\d-[0-3]\dT[012]\d:[0-5]\d:[0-5]\d", "%Y-%m-%dT%H:%M:%S"),
    (r"20\d\d-[01]\d-[0-3]\dT[012]\d:[0-5]\d:[0-5]\dZ", "%Y-%m-%dT%H:%M:%SZ"),
    (r"20\d\d-[01]\d-[0-3]\d [012]\d:[0-5]\d:[0-5]\d", "%Y-%m-%d %H:%M:%S"),
)  # fmt: skip


def like_moment(example: str) -> Generate | None:
    """Moments written as the example is; None where it is none."""
    shape = next((shape for pattern, shape in _DATES if re.fullmatch(pattern, example)), None)
    if shape is None:
        return None
    return lambda draw: datetime.fromtimestamp(draw.created, UTC).strftime(shape)
