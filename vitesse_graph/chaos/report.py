"""How each case went, and the table over all of them. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from vitesse_graph.chaos.world import RECORDS


@dataclass
class Outcome:
    """How one case went on one pair."""

    case: str
    pair: str
    expected: tuple[str, ...] = ()
    """Which ends are right: `heal`, `person` (rightly handed over), `nothing` (no alarm)."""
    has_cause: bool = True
    """Something is wrong that should be named; False: no alarm is right."""
    noticed_after: int | None = None
    """Records that the runtime handled before the monitor acted; None: it never did."""
    cause: str = ""
    is_cause_right: bool = False
    end: str = ""
    is_end_right: bool = False
    was_remapped: bool = False
    asks: bool = False
    """Under the policy `risky` a person would be asked before the repair is deployed."""
    wrong: int = 0
    incomplete: int = 0
    meanwhile: int = 0
    """Written without a value that they should have, before it was noticed."""
    lost: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        return self.is_cause_right and self.is_end_right and not self.wrong and not self.lost

    def line(self) -> str:
        """All of it in one line, for what did not end as it should."""
        return (
            f"{self.pair} · {self.case}: {self.cause or 'not noticed'} → {self.end}; wrong {self.wrong}, "
            f"incomplete {self.incomplete}, lost {self.lost}; {'; '.join(self.notes)[:600]}"
        )


@dataclass(frozen=True)
class Share:
    """`right` of `of`."""

    right: int
    of: int

    def __str__(self) -> str:
        return f"{self.right} of {self.of}" + (f" ({self.right / self.of:.0%})" if self.of else "")


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The sums over all episodes."""

    pairs: int
    episodes: int
    causes: Share
    """Named right, of those in which something is wrong."""
    healed: Share
    """Of those that can be healed and need no person."""
    handed_over: Share
    """Of those that only a person can decide."""
    calm: Share
    """No alarm, of those that deserve none."""
    wrong: int
    lost: int
    outages_remapped: Share
    asks: int


def totals(outcomes: Sequence[Outcome]) -> Totals:
    """The sums; a case with several right ends counts where it ended, if that was right."""
    ill = [one for one in outcomes if one.has_cause]

    def ended(name: str) -> Share:
        due = [
            one
            for one in outcomes
            if one.expected == (name,)
            or (len(one.expected) > 1 and name == (one.end if one.is_end_right else one.expected[0]))
        ]
        return Share(sum(one.end == name for one in due), len(due))

    outages = [one for one in outcomes if "down" in one.case or "outage" in one.case]
    return Totals(
        pairs=len({one.pair for one in outcomes}),
        episodes=len(outcomes),
        causes=Share(sum(one.is_cause_right for one in ill), len(ill)),
        healed=ended("heal"),
        handed_over=ended("person"),
        calm=ended("nothing"),
        wrong=sum(one.wrong for one in outcomes),
        lost=sum(one.lost for one in outcomes),
        outages_remapped=Share(
            sum(one.was_remapped for one in outages if "during" not in one.case),
            sum("during" not in one.case for one in outages),
        ),
        asks=sum(one.asks for one in outcomes),
    )


HEADINGS = (
    "what broke",
    "pairs",
    "noticed after (records)",
    "cause right",
    "ended",
    "right end",
    "wrong writes",
    "incomplete before / after",
    "lost",
    "seconds",
)


def rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """One row a case over all pairs, under HEADINGS."""
    by_case: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_case[outcome.case].append(outcome)
    return [_row(case, found) for case, found in by_case.items()]


def _row(case: str, found: list[Outcome]) -> list[str]:
    noticed = [one.noticed_after for one in found if one.noticed_after is not None]
    count = len(found)
    return [
        case,
        str(count),
        f"{min(noticed)}–{max(noticed)}" if noticed else "–",
        f"{sum(one.is_cause_right for one in found)}/{count}",
        ", ".join(f"{n} {end}" for end, n in Counter(one.end for one in found).most_common()),
        f"{sum(one.is_end_right for one in found)}/{count}",
        str(sum(one.wrong for one in found)),
        f"{sum(one.meanwhile for one in found)} / {sum(one.incomplete for one in found)}",
        str(sum(one.lost for one in found)),
        f"{sorted(one.seconds for one in found)[count // 2]:.1f}",
    ]


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """The sums in words, a line each."""
    sums = totals(outcomes)
    return [
        f"{sums.pairs} pair{'s' if sums.pairs != 1 else ''}, {sums.episodes} episodes of up to {RECORDS} records",
        f"causes named right: {sums.causes}",
        f"healed, of what can be healed: {sums.healed}",
        f"rightly handed to a person: {sums.handed_over}",
        f"no alarm where none is due: {sums.calm}",
        f"wrong writes: {sums.wrong}",
        f"records lost after replay: {sums.lost}",
        f"outages answered by a new mapping: {sums.outages_remapped}",
        f"repairs that would ask a person under the policy `risky`: {sums.asks}",
    ]


def render(outcomes: Sequence[Outcome]) -> str:
    """Markdown: the table, then the sums."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS), *rows(outcomes)]
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*table, "", *(f"- {line}" for line in summary(outcomes))])
