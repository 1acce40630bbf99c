"""Which API a name means: its own name, an alias, a web address, or a slip of the pen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rapidfuzz.distance import OSA, Hamming

from vitesse_graph.knowledge.catalogue import ApiFacts
from vitesse_graph.knowledge.words import fold, word_list

EXACT = 0.99
ALIAS = 0.97
# On made-up slips of the catalogue's own names these are right 99 times in 100, but a strange name
# may be a stranger's: bench/knowledge.py, "Confidence of discovery".
ONE_SLIP = 0.93
TWO_SLIPS = 0.88
DOUBTFUL = 0.55
"""Another letter in a short name is as often another name: Strive and Stride are not Stripe."""


@dataclass(frozen=True)
class NameMatch:
    facts: ApiFacts
    confidence: float
    why: str


_NO_SLIPS = word_list("no_slips")
_WORD = re.compile(r"(?<![\w-])[a-z]{3,}(?![\w-])")
_SHORT_VENDORS = {"Microsoft": ("MS", "MSFT"), "Google": ("G",), "Amazon": ("AWS",)}


def _shortened(facts: ApiFacts) -> Iterable[str]:
    """`MSFT Teams` for Microsoft Teams: how people write the vendor in front."""
    vendor, _, product = facts.name.partition(" ")
    return (f"{short} {product}" for short in _SHORT_VENDORS.get(vendor, ()) if product)


def _slips_allowed(length: int) -> int:
    if length < 5:
        return 0
    return 1 if length < 8 else 2


def _site(address: str) -> str:
    """The last two labels of a host (`api.stripe.com` → `stripe.com`), "" where it is a placeholder."""
    host = (urlsplit(address).hostname or "").lower()
    return "" if "{" in host and host.count(".") < 2 else ".".join(host.split(".")[-2:])


@dataclass
class NameIndex:
    """Names and aliases, folded; longest names in `max_words` words."""

    by_name: dict[str, tuple[ApiFacts, bool]] = field(default_factory=dict)
    by_site: dict[str, ApiFacts] = field(default_factory=dict)
    max_words: int = 1
    ordinary: frozenset[str] = frozenset()
    """Words that the catalogue itself uses in lower case."""

    @classmethod
    def build(cls, entries: Sequence[ApiFacts]) -> NameIndex:
        index = cls()
        said = (text for f in entries for text in (f.purpose, f.needs, *f.resources, *f.asked))
        index.ordinary = frozenset(word for text in said for word in _WORD.findall(text)) - {
            fold(name) for f in entries for name in (f.name, *f.aliases)
        }
        sites: dict[str, list[ApiFacts]] = {}
        for facts in entries:
            index.by_name[fold(facts.name)] = (facts, True)
        for facts in entries:
            for alias in (*facts.aliases, *_shortened(facts)):
                index.by_name.setdefault(fold(alias), (facts, False))
            for name in (facts.name, *facts.aliases, *_shortened(facts)):
                if " " in name and name.endswith("s"):  # "a row of a Google Sheet"
                    index.by_name.setdefault(fold(name[:-1]), (facts, False))
                index.max_words = max(index.max_words, len(name.split()))
            for site in {_site(facts.base_url), _site(facts.docs)} - {""}:
                sites.setdefault(site, []).append(facts)
        # A site that several products share (googleapis.com) names none of them.
        index.by_site = {site: owners[0] for site, owners in sites.items() if len(owners) == 1}
        return index

    def exact(self, name: str) -> NameMatch | None:
        """The API of exactly this name or alias, whatever its case and punctuation."""
        found = self.by_name.get(fold(name))
        if found is None:
            return None
        facts, own = found
        if own:
            return NameMatch(facts, EXACT, f"named {facts.name}")
        return NameMatch(facts, ALIAS, f"'{name}' is another name of {facts.name}")

    def close(self, name: str) -> NameMatch | None:
        """The one API whose name differs by a slip or two; None where two are equally near, and for
        words that mean something themselves: `personal` is no slip of Personio."""
        key = fold(name)
        if key in _NO_SLIPS or key in self.ordinary:
            return None
        allowed = _slips_allowed(len(key))
        best: dict[str, tuple[int, ApiFacts]] = {}
        for known, (facts, _) in self.by_name.items():
            if len(known) < 5 or abs(len(known) - len(key)) > allowed:
                continue
            distance = OSA.distance(key, known, score_cutoff=allowed)
            if (
                distance <= min(allowed, _slips_allowed(len(known)))
                and distance < best.get(facts.name, (99,))[0]
            ):
                best[facts.name] = (distance, facts)
        ranked = sorted(best.values(), key=lambda item: item[0])
        if not ranked or (len(ranked) > 1 and ranked[0][0] == ranked[1][0]):
            return None
        distance, facts = ranked[0]
        confidence = ONE_SLIP if distance == 1 else TWO_SLIPS
        if len(key) < 8 and any(
            len(key) == len(fold(n)) and Hamming.distance(key, fold(n)) == 1
            for n in (facts.name, *facts.aliases)
        ):
            confidence = DOUBTFUL
        return NameMatch(facts, confidence, f"'{name}' read as {facts.name}")

    def near(self, name: str, *, limit: int = 2) -> list[str]:
        """APIs that a strange name may mean: written much alike, or beginning with the same word."""
        key = fold(name)
        if len(key) < 3:
            return []
        scored = {
            facts.name: max(
                OSA.normalized_similarity(key, known), 0.8 if known.startswith(key) and len(key) >= 5 else 0.0
            )
            for known, (facts, _) in self.by_name.items()
        }
        ranked = sorted(scored.items(), key=lambda item: (-item[1], item[0]))
        return [api for api, score in ranked if score >= 0.75][:limit]

    def of_address(self, address: str) -> ApiFacts | None:
        """The API whose base URL or documentation lies on the same site as this URL."""
        return self.by_site.get(_site(address))
