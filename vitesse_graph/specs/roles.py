"""What an operation does and what it is about, told from method, path, operation id and summary."""

from __future__ import annotations

import re
from functools import lru_cache

from vitesse_graph.specs.identity import noun_of
from vitesse_graph.specs.operations import RawOperation
from vitesse_graph.specs.words import VERBS, split_words
from vitesse_graph.state.api_spec import EndpointRole

_EXTENSION = re.compile(r"\.(json|xml|csv|php|aspx?)$|\.\{[^}]*\}$", re.IGNORECASE)
_VERSION = re.compile(r"^v?\d+([._-]\d+)*([a-z]+\d*)?$|^\d{4}-\d\d(-\d\d)?$", re.IGNORECASE)
_CALL = re.compile(r"(?P<noun>[A-Za-z][\w-]*)[.:](?P<verb>[A-Za-z]\w*)$")
_PLAIN_VERBS = frozenset({"get", "list", "fetch", "find", "retrieve", "create", "update", "delete", "upsert"})
_CONTAINERS = frozenset(
    {
        "api",
        "rest",
        "json",
        "apis",
        "admin",
        "public",
        "objects",
        "object",
        "crm",
        "services",
        "web",
        "public-api",
    }
)
_READING = frozenset(
    {
        "get",
        "list",
        "fetch",
        "find",
        "search",
        "query",
        "read",
        "retrieve",
        "show",
        "view",
        "lookup",
        "browse",
        "count",
        "sync",
    }
)
_CREATING = frozenset({"create", "add", "insert", "new", "register", "submit", "make", "post"})
_UPDATING = frozenset({"update", "edit", "modify", "patch", "change", "set", "upsert", "replace"})
_THIRD_PERSON = {
    "creates": "create",
    "adds": "add",
    "updates": "update",
    "retrieves": "retrieve",
    "gets": "get",
    "lists": "list",
    "returns": "get",
    "deletes": "delete",
    "searches": "search",
    "inserts": "insert",
    "finds": "find",
}


@lru_cache(maxsize=16_384)
def segments(path: str) -> tuple[str, ...]:
    """Segments of a path without a leading version, `api` and the like: what carries meaning."""
    plain = path.split("?", 1)[0].split("#", 1)[0].replace("{?", "?").split("?", 1)[0]
    parts = [part for whole in plain.strip("/").split("/") for part in _calls(_EXTENSION.sub("", whole))]
    return tuple(p for p in parts if p and not _VERSION.match(p) and p.lower() not in _CONTAINERS)


def _calls(segment: str) -> tuple[str, ...]:
    """`users.list`, `users:batchGet`: a thing and what is done with it, as two segments."""
    found = _CALL.match(segment)
    if found is None or not set(split_words(found["verb"])[:2]) & VERBS:
        return (segment,)
    return found["noun"], found["verb"]


def is_parameter(segment: str) -> bool:
    return "{" in segment or segment.startswith(":")


def path_parameters(path: str) -> int:
    return path.count("{")


def ends_in_parameter(path: str) -> bool:
    parts = segments(path)
    return bool(parts) and is_parameter(parts[-1])


def _is_verb(segment: str) -> bool:
    words = split_words(segment)
    return (
        bool(words)
        and words[0] in VERBS
        and (len(words) == 1 or words[0] in _READING or words[1] == "by" or words[1] in VERBS)
    )


def noun_segment(path: str) -> tuple[str, bool]:
    """(the segment that names the resource, whether a verb stands behind it) of a path."""
    parts = segments(path)
    acts = False
    for part in reversed(parts):
        if is_parameter(part):
            continue
        if _is_verb(part) and part is not parts[0]:
            acts = True
            continue
        return part, acts
    return "", acts


def resource(raw: RawOperation, title: str) -> str:
    """The noun an operation is about, singular and in words. `title` is the API's, the last resort."""
    segment, _ = noun_segment(raw.path)
    words = split_words(segment)
    if raw.path.startswith(("/#", "/?")):
        # Everything goes to one address (`/#Action=ListUsers`): the operation's name says what it is about.
        words = split_words(str(raw.operation.get("operationId") or ""))
        while len(words) > 1 and words[0] in VERBS:
            words = words[1:]
    elif len(words) > 1 and (words[0] in _PLAIN_VERBS or (len(words[0]) == 1 and words[0].isalpha())):
        words = words[1:]  # `GetCustomers`, `A_BusinessPartner`
    if any(word.isalpha() for word in words):
        return noun_of(tuple(word for word in words if word.isalpha()))
    parameter = next((p for p in reversed(segments(raw.path)) if is_parameter(p)), "")
    of_parameter = tuple(w for w in split_words(parameter) if w not in ("id", "uuid", "key"))
    if of_parameter:
        return noun_of(of_parameter)
    words = tuple(w for w in split_words(title) if w not in ("api", "service", "the", "rest", "public", "v"))
    return noun_of(tuple(w for w in words[-1:] if w.isalpha()))


def verb(raw: RawOperation) -> str:
    """The verb that the summary or the operation id begins with, in its base form; "" if none."""
    summary = raw.operation.get("summary")
    operation_id = raw.operation.get("operationId")
    for text in (operation_id, summary):
        if type(text) is not str or not text:
            continue
        words = split_words(text.rsplit("/", 1)[-1])
        for word in words[:3] if text is operation_id else words[:1]:
            word = _THIRD_PERSON.get(word, word)
            if word in VERBS:
                return word
    return ""


def role(raw: RawOperation, *, has_list: bool, has_body: bool, pages_in_body: bool = False) -> EndpointRole:
    """What kind of operation this is. `has_list`: its answer holds records and it pages or is a plain collection;
    `pages_in_body`: its body carries the position, which hardly anything but a search does."""
    method = raw.method
    if method in ("GET", "QUERY"):
        return "list" if has_list else "read"
    if method == "HEAD" or method == "OPTIONS" or method == "TRACE":
        return "read"
    if method == "DELETE":
        return "delete"
    said = verb(raw)
    at_item = ends_in_parameter(raw.path)
    if method == "PATCH":
        return "update"
    if method == "PUT":
        if said in _CREATING and not at_item:
            return "create"
        return "replace" if at_item or said not in _UPDATING else "update"
    if has_list and pages_in_body and said not in _CREATING and said not in _UPDATING:
        return "list"
    return _role_of_post(raw, said, at_item, has_list, has_body)


def _role_of_post(
    raw: RawOperation, said: str, at_item: bool, has_list: bool, has_body: bool
) -> EndpointRole:
    if has_list and (said in _READING or noun_segment(raw.path)[1]):
        return "list"
    if at_item:
        return "update" if has_body else "action"
    last = segments(raw.path)[-1:]
    words = split_words(last[0]) if last else ()
    if words and words[0] in _CREATING:
        return "create"
    if words and words[0] in ("update", "upsert"):
        return "update"
    if words and _is_verb(last[0]) and len(segments(raw.path)) > 1:
        return "action"
    if said in _UPDATING:
        return "update"
    if said in _READING and said != "sync":
        return "read"
    return "create" if has_body or said in _CREATING else "action"
