"""Which endpoints fit an intent, and why in words.

A score is the product of two questions: is it about the right thing (the nouns of the intent's own
side against the endpoint's resource), and is it the right kind of endpoint (a list to read from, a
create to write to; nothing that needs path parameters nobody gives, no batch or search twin of a
plain endpoint, nothing deprecated).
"""

from __future__ import annotations

from collections.abc import Sequence

from vitesse_graph.specs.endpoints import Indexed
from vitesse_graph.specs.intent import Parts, split_intent
from vitesse_graph.specs.roles import is_parameter, segments
from vitesse_graph.specs.words import likeness, split_words, stems
from vitesse_graph.state.api_spec import Endpoint, EndpointCandidate

_GENERIC_TITLE = frozenset(
    [
        "api",
        "rest",
        "service",
        "the",
        "web",
        "public",
        "v",
        "accounting",
        "open",
        "openapi",
        "swagger",
        "spec",
        "specification",
        "core",
        "platform",
        "admin",
        "http",
        "json",
    ]
)
_TWINS = frozenset(
    {
        "batch",
        "bulk",
        "search",
        "merge",
        "import",
        "export",
        "validate",
        "preview",
        "test",
        "query",
        "count",
        "upsert",
        "jobs",
        "job",
    }
)


def api_words(title: str, base_url: str, spec_url: str, endpoints: Sequence[Endpoint]) -> frozenset[str]:
    """Words that name the API itself, not one of its resources: of its title, host and document."""
    host = base_url.split("://", 1)[-1].split("/", 1)[0]
    file = spec_url.rstrip("/").rsplit("/", 1)[-1].split(".", 1)[0]
    words = {w for text in (title, host, file) for w in stems(text) if len(w) > 2}
    resources = {word for endpoint in endpoints for word in stems(endpoint.resource)}
    return frozenset(
        words - _GENERIC_TITLE - resources - {"www", "com", "io", "net", "org", "app", "localhost"}
    )


def rank(
    index: Sequence[Indexed], intent: str, role: str, names: frozenset[str], limit: int
) -> list[EndpointCandidate]:
    """At most `limit` candidates with a score above 0, best first. `role`: `source` or `dest`."""
    parts = split_intent(intent, role, names)
    # "… into our CRM" names no resource of the CRM: then the other side's nouns are all there is.
    is_named = any(_best(stems(indexed.endpoint.resource), parts.own)[0] >= 0.5 for indexed in index)
    borrowed = 0.45 if is_named else 0.85
    found: list[tuple[float, int, EndpointCandidate]] = []
    for indexed in index:
        kind, why = _kind(indexed, role)
        if kind <= 0:
            continue
        about, what = _about(indexed.endpoint, parts, borrowed)
        score = round(min(1.0, about * kind), 3)
        if score > 0.02:
            candidate = EndpointCandidate(endpoint=indexed.endpoint, score=score, reasons=[what, *why])
            found.append((-score, len(indexed.raw.path), candidate))
    found.sort(key=lambda entry: entry[:2])
    return [candidate for _, _, candidate in found[:limit]]


def _about(endpoint: Endpoint, parts: Parts, borrowed: float) -> tuple[float, str]:
    """How well the resource fits the nouns (0..1), and the reason in words.

    `borrowed` is the weight of a noun that the other side of the sentence names.
    """
    resource = stems(endpoint.resource)
    own, own_word = _best(resource, parts.own)
    if own >= 0.5:
        return own, f"`{endpoint.resource}` is what the intent names ({own_word})" if own > 0.9 else (
            f"`{endpoint.resource}` is close to “{own_word}” of the intent"
        )
    other, other_word = _best(resource, parts.other)
    if other * borrowed > own:
        return other * borrowed, f"`{endpoint.resource}` is like the other side's “{other_word}”"
    if own > 0:
        return own, f"`{endpoint.resource}` shares a word with the intent ({own_word})"
    mentioned = set(stems(endpoint.summary)) & set(parts.own)
    if mentioned:
        return 0.2, f"its summary mentions {', '.join(sorted(mentioned))}"
    return 0.06, "nothing in the intent names it"


def _best(resource: tuple[str, ...], words: tuple[str, ...]) -> tuple[float, str]:
    """The likeness of a resource to the closest run of words, and those words."""
    if not resource or not words:
        return 0.0, ""
    size = len(resource)
    if any(words[i : i + size] == resource for i in range(len(words) - size + 1)):
        # a longer match says more: `bank transaction` before `transaction`
        return 1.0 if size > 1 or words[-1] == resource[0] or len(words) == 1 else 0.97, " ".join(resource)
    best, best_word = 0.0, ""
    for position, word in enumerate(words):
        # the last noun of a phrase is its head: in "customer order" the order is meant
        weight = 1.0 if position == len(words) - 1 else 0.9
        value = likeness(resource[-1], word) * weight
        if value > best:
            best, best_word = value, word
    if size > 1 and best > 0:
        shared = sum(1 for w in resource if w in words) / size
        best *= 0.62 + 0.3 * shared
    elif best == 0.0:
        shared_words = [w for w in resource if w in words]
        if shared_words:
            best, best_word = 0.3 * len(shared_words) / size, shared_words[0]
    return best, best_word


def _kind(indexed: Indexed, role: str) -> tuple[float, list[str]]:
    """How well the kind of endpoint fits the role (0..1), and why."""
    endpoint = indexed.endpoint
    score, why = (_as_source if role == "source" else _as_dest)(indexed)
    if score <= 0:
        return 0.0, []
    parts = segments(endpoint.path)
    parameters = sum(1 for part in parts if is_parameter(part))
    if parameters:
        # what hangs below a record that nobody names is rarely what is meant by its kind alone
        score *= (0.62 if role == "source" else 0.5) ** parameters
        why.append(f"needs {parameters} path parameter{'s' if parameters > 1 else ''}")
    twins = [part for part in parts if not is_parameter(part) and set(split_words(part)) & _TWINS]
    if twins:
        score *= 0.6
        why.append(f"a `{twins[0]}` endpoint")
    if len(parts) > 1 + 2 * parameters and not twins:
        score *= 0.97
    if endpoint.deprecated:
        score *= 0.5
        why.append("deprecated")
    return score, why


def _as_source(indexed: Indexed) -> tuple[float, list[str]]:
    endpoint = indexed.endpoint
    if endpoint.role == "list":
        pagination = endpoint.pagination
        if pagination is not None and pagination.style != "none":
            # Counted pages shift while records come and go; among equals a cursor is the surer way.
            score = 0.99 if pagination.style in ("offset", "page") else 1.0
            why = [f"a list with {pagination.style} pagination"]
        else:
            score, why = 0.9, ["a list"]
        return (score if endpoint.method == "GET" else score * 0.85), why
    if endpoint.role == "read" and endpoint.method == "GET":
        return 0.25, ["reads a single record"]
    return 0.0, []


def _as_dest(indexed: Indexed) -> tuple[float, list[str]]:
    endpoint = indexed.endpoint
    if not endpoint.content_types:
        return 0.0, []
    scores = {
        "create": (1.0, "creates records"),
        "update": (0.55, "updates records"),
        "replace": (0.5, "replaces records"),
        "action": (0.12, "an action"),
    }
    score, why = scores.get(endpoint.role, (0.0, ""))
    return score, [why]
