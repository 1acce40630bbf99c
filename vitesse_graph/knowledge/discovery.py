"""From words to APIs: `discover` for a name or a need, `discover_pair` for a whole intent.

Pure over the catalogue and whatever `known` results the caller adds; nothing here touches the
network or a vector store. What is not found is said, with what to give instead; never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from vitesse_graph.knowledge.catalogue import ApiFacts
from vitesse_graph.knowledge.mentions import Mention, find_mentions
from vitesse_graph.knowledge.names import NameMatch
from vitesse_graph.knowledge.needs import (
    apis_by_need,
    apis_of_kind,
    catalogue_index,
    catalogue_result,
    members_of_kind,
)
from vitesse_graph.knowledge.roles import assign_roles
from vitesse_graph.knowledge.words import terms
from vitesse_graph.state.discovery import DiscoveredApis, DiscoveryResult

Role = Literal["source", "dest"]
_FILE_ENDINGS = (".json", ".yaml", ".yml", ".json.gz", ".yaml.gz", ".yml.gz")
_WINDOWS_PATH = re.compile(r"^[A-Za-z]:[\\/]")
MIN_NAME_CONFIDENCE = 0.7
"""A name read with less confidence is not taken for the API: the caller is asked."""
IN_PASSING = 0.75
AS_A_WORD = 0.3
"""A name beside many other words, and one that is a word as well beside some."""
ALTERNATIVES = 4
"""Offered for each kind of system that an intent leaves open."""


def _as_known(name: str, known: Sequence[DiscoveryResult]) -> DiscoveryResult | None:
    wanted = name.casefold().strip()
    return next((result for result in known if result.api_name.casefold() == wanted), None)


def _named_in(query: str) -> list[NameMatch]:
    """APIs that a longer query names. Beside many other words a name is often not what is wanted
    (`customer service for Shopify merchants`), and one that is a word as well is seldom meant."""
    mentions = [m for m in find_mentions(query, catalogue_index().names, ()) if m.match is not None]
    words = len(set(terms(query)))
    found: list[NameMatch] = []
    for mention in mentions:
        match = mention.match
        if match is None:
            continue
        own = len(set(terms(mention.text)))
        limit = 1.0 if 2 * own >= words else IN_PASSING
        if match.facts.common_word and mention.text.islower() and words > own + 1:
            limit = AS_A_WORD
        found.append(replace(match, confidence=min(limit, match.confidence)))
    return found


def discover(query: str, *, limit: int = 5, known: Sequence[DiscoveryResult] = ()) -> list[DiscoveryResult]:
    """APIs that a name, an alias, a slip of the pen or a described need may mean, the surest first.

    `known` are results from elsewhere (specifications read before); their names win. An empty list
    means that nothing fits: the caller should ask for a specification's URL or file.
    """
    query = query.strip()
    if not query or limit < 1:
        return []
    index = catalogue_index()
    before = _as_known(query, known)
    matches: list[NameMatch] = []
    of_kind = apis_of_kind(query)
    whole = index.names.exact(query)
    if whole is None and not of_kind and len(query.split()) <= 3:
        whole = index.names.close(query)
    if whole is not None:
        matches.append(whole)
    else:
        matches += _named_in(query)
    found = [before] if before is not None else []
    found += [catalogue_result(match.facts, match.confidence, match.why) for match in matches]
    if whole is None and before is None:
        found += of_kind or apis_by_need(query, limit + len(found))
    unique = {result.api_name: result for result in reversed(found)}
    return sorted(unique.values(), key=lambda result: -result.confidence_score)[:limit]


def known_api(name: str) -> ApiFacts | None:
    """The catalogue's entry of a name, alias or slip; None when there is none."""
    names = catalogue_index().names
    match = names.exact(name) or names.close(name)
    return match.facts if match is not None else None


def _file_of(value: str) -> Path | None:
    """The file that a value names, or None when it is not written like a file."""
    if value.lower().startswith("file:"):
        return Path(unquote(urlsplit(value).path))
    written_so = (
        value.lower().endswith(_FILE_ENDINGS)
        or value.startswith(("./", "../", "/", "~", ".\\", "..\\"))
        or _WINDOWS_PATH.match(value) is not None
        or ("/" in value and " " not in value)
    )
    return Path(value).expanduser() if written_so else None


def _title_of(path: str) -> str:
    """`…/shopify_admin.yaml.gz` → `shopify admin`."""
    stem = re.sub(
        r"(\.(json|ya?ml|gz))+$",
        "",
        path.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1],
        flags=re.IGNORECASE,
    )
    return re.sub(r"[\s_\-]+", " ", stem).strip() or path


def _given_url(url: str) -> DiscoveryResult:
    facts = catalogue_index().names.of_address(url)
    host = urlsplit(url).hostname or url
    return DiscoveryResult(
        api_name=facts.name if facts else host,
        description=facts.purpose if facts else "",
        base_url=facts.base_url if facts else "",
        documentation_url=facts.docs if facts else "",
        spec_url=url,
        confidence_score=1.0,
        source="given",
        why="the address was given",
    )


def _given_file(path: Path) -> DiscoveryResult:
    # Absolute: a thread may be continued days later from another folder.
    return DiscoveryResult(
        api_name=_title_of(path.name),
        spec_url=str(path.absolute()),
        confidence_score=1.0,
        source="given",
        why="the file was given",
    )


_ROLE_PHRASE: dict[Role, str] = {"source": "to read from", "dest": "to write to"}


def _unknown(name: str) -> str:
    near = catalogue_index().names.near(name)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"no API named '{name}' is known{hint}; pass its specification's URL or file"


def _no_spec(result: DiscoveryResult) -> str:
    return (
        f"{result.api_name} is known, but no published specification of it is; "
        f"pass its specification's URL or file (documentation: {result.documentation_url})"
    )


def _from_match(match: NameMatch | None, said: str) -> DiscoveryResult | str:
    if match is None or match.confidence < MIN_NAME_CONFIDENCE:
        return _unknown(said)
    return catalogue_result(match.facts, match.confidence, match.why)


def _from_value(value: str, known: Sequence[DiscoveryResult]) -> DiscoveryResult | str:
    """What an explicit source or destination means, or the sentence that says why nothing."""
    value = value.strip()
    if re.match(r"https?://", value, re.IGNORECASE):
        return _given_url(value)
    before = _as_known(value, known)
    if before is not None:
        return before
    names = catalogue_index().names
    match = names.exact(value)
    if match is None:
        path = _file_of(value)
        if path is not None:
            return _given_file(path)
        match = names.close(value)
    if match is None:
        mentions = [m for m in find_mentions(value, names, ()) if m.match is not None]
        match = mentions[0].match if len(mentions) == 1 else None
    return _from_match(match, value)


def _from_mention(mention: Mention, known: Sequence[DiscoveryResult]) -> DiscoveryResult | str:
    before = _as_known(mention.text, known)
    if before is not None:
        return before
    if mention.match is not None:
        return _from_match(mention.match, mention.text)
    if mention.kind == "kind":
        some = ", ".join(facts.name for facts in members_of_kind(mention.text)[:3])
        return (
            f"the intent says '{mention.text}' but not which one ({some} …); "
            "pass its name, or its specification's URL or file"
        )
    return _unknown(mention.text)


def _same_api(mention: Mention, result: DiscoveryResult | str | None) -> bool:
    """Whether a mention names what was already given (`./stripe.yaml`, "Stripe")."""
    if not isinstance(result, DiscoveryResult):
        return False
    names = {mention.text.casefold()}
    if mention.match is not None:
        names.add(mention.match.facts.name.casefold())
    given = f"{result.api_name} {result.spec_url}".casefold()
    return any(name in given for name in names)


def _read_intent(
    intent: str, given: dict[Role, DiscoveryResult | str | None], known: Sequence[DiscoveryResult]
) -> dict[Role, DiscoveryResult | str | None]:
    """Fills the roles that were not given from the sentence."""
    index = catalogue_index()
    mentions = find_mentions(intent, index.names, index.kinds)
    named = [mention for mention in mentions if mention.kind != "kind"]
    if len(named) >= 2:
        mentions = named
    roles = assign_roles(intent, mentions)
    places: dict[Role, int | None] = {"source": roles.source, "dest": roles.dest}
    read: dict[Role, DiscoveryResult | str | None] = dict(given)
    for role, other in (("source", "dest"), ("dest", "source")):
        if read[role] is not None:  # type: ignore[index]
            continue
        place = places[role]  # type: ignore[index]
        if place is None or _same_api(mentions[place], given[other]):  # type: ignore[index]
            rest = [m for m in mentions if not _same_api(m, given[other])]  # type: ignore[index]
            mention = rest[0] if rest and given[other] is not None else None  # type: ignore[index]
        else:
            mention = mentions[place]
        read[role] = _from_mention(mention, known) if mention is not None else None  # type: ignore[index]
    return read


def strangers(intent: str) -> list[str]:
    """The names in an intent that nobody here knows, as they are written."""
    index = catalogue_index()
    return [m.text for m in find_mentions(intent, index.names, index.kinds) if m.kind == "unknown"]


def without_spec_note(notes: Sequence[str], result: DiscoveryResult) -> list[str]:
    """Notes without the one that asks for this API's specification."""
    return [note for note in notes if note != _no_spec(result)]


def _alternatives(intent: str, found: DiscoveredApis) -> list[DiscoveryResult]:
    """What else the intent may mean where a role stayed open."""
    if found.source is not None and found.dest is not None:
        return []
    taken = {result.api_name for result in (found.source, found.dest) if result is not None}
    index = catalogue_index()
    said = [m.text for m in find_mentions(intent, index.names, index.kinds) if m.kind == "kind"]
    results = [
        catalogue_result(facts, 0.3, f"'{kind}', as the intent says")
        for kind in said
        for facts in [one for one in members_of_kind(kind) if one.name not in taken][:ALTERNATIVES]
    ]
    return list({result.api_name: result for result in results}.values())


def discover_pair(
    intent: str,
    *,
    source: str | None = None,
    dest: str | None = None,
    known: Sequence[DiscoveryResult] = (),
) -> DiscoveredApis:
    """The two APIs of an intent. `source` and `dest` are a URL, a file (path or `file://`) or a name.

    What is not given is read from the intent with its role. What cannot be found is None, with a
    line in `notes` that says what to give; an API whose specification is not published is found
    with an empty `spec_url`, and a note as well.
    """
    given: dict[Role, DiscoveryResult | str | None] = {
        "source": _from_value(source, known) if source and source.strip() else None,
        "dest": _from_value(dest, known) if dest and dest.strip() else None,
    }
    read = _read_intent(intent, given, known) if intent.strip() and None in given.values() else given
    notes: list[str] = []
    results: dict[Role, DiscoveryResult | None] = {"source": None, "dest": None}
    for role, outcome in read.items():
        if isinstance(outcome, DiscoveryResult):
            results[role] = outcome
            notes += [] if outcome.spec_url else [_no_spec(outcome)]
        elif isinstance(outcome, str):
            notes.append(f"{role}: {outcome}")
        else:
            notes.append(
                f"{role}: the intent does not say which API {_ROLE_PHRASE[role]}; "
                "pass its name, or its specification's URL or file"
            )
    found = DiscoveredApis(source=results["source"], dest=results["dest"], notes=notes)
    return found.evolve(alternatives=[r.dump() for r in _alternatives(intent, found)])
