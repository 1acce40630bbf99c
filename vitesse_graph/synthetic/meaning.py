"""What a field is about, from its name, its description and its example.

The answer is one word of `Meaning`; it decides the raw material for the field's values and lets the
guardian notice that a field for emails receives something else.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

from vitesse_graph.state.jsontypes import JsonSchema

Meaning = Literal[
    "id", "email", "first_name", "last_name", "full_name", "username", "phone", "company", "job",
    "street", "street2", "address", "city", "state", "postcode", "country", "country_code",
    "country_name", "language", "language_short", "time_zone", "currency", "url", "host", "product",
    "title", "sentence", "paragraph", "colour", "ipv4", "user_agent", "file_name", "moment", "day",
    "clock", "unix_seconds", "unix_milliseconds", "minor_amount", "amount", "percent", "quantity",
    "latitude", "longitude", "age", "year", "token", "sku", "dial_code", "area_code", "label", "pet", "tax_number",
    "version", "plain",
]  # fmt: skip

# The first row whose expression is found in the name wins; names are lower case words joined by `_`.
_NAMES: tuple[tuple[str, Meaning], ...] = (
    (r"user_agent", "user_agent"),
    (r"email_domain", "host"),
    (r"(^|_)(days|hours|minutes|weeks|months)(_|$)", "quantity"),
    (r"^num_|_num$|(^|_)number_of_|(^|_)times_|(^|_)(size|length|duration|attempts|retries)$", "quantity"),
    (r"(^|_)(vat|vat_(number|id|no)|tax_(number|id|no)|eu_vat|ein)$", "tax_number"),
    (r"(^|_)version$", "version"),
    (r"(phone|mobile|dial|calling)_?(country)?_?code$|country_?calling", "dial_code"),
    (r"area_?code$", "area_code"),
    (r"reply_?to$|(^|_)(e_?mail)(_address(es)?)?$|(^|_)email(_|$)(?!.*(id|status|state|verified|count|type|enabled|name))", "email"),
    (r"first_?name|given_?name|^forename", "first_name"),
    (r"last_?name|family_?name|surname", "last_name"),
    (r"full_?name|display_?name|contact_?name|(customer|person|payer|cardholder|recipient|author|sender)_?name|real_?name", "full_name"),
    (r"user_?name|screen_?name|nickname|(^|_)login$|handle", "username"),
    (r"(^|_)(phone|mobile|fax|telephone|cell)(_?(number|no|e164))?$|phone_number|msisdn", "phone"),
    (r"company(_?name)?$|organi[sz]ation(_?name)?$|business_?name|merchant_?name|legal_?name|vendor_?name|supplier_?name|bank_?name", "company"),
    (r"job_?title|occupation|profession|^position$", "job"),
    (r"(address_?)?line_?[2345]$|address_?[234]$|street_?2|apartment|suite", "street2"),
    (r"administrative_district_level_[23]", "city"),
    (r"(address_?)?line_?1$|address_?1$|^street(_?(address|name))?$|address_line$|street_line", "street"),
    (r"(^|_)city$|locality|town$|^municipality", "city"),
    (r"postal|(^|_)zip(_?code)?$|postcode", "postcode"),
    (r"country_?name", "country_name"),
    (r"country_?code|country_iso|iso_?country", "country_code"),
    (r"(^|_)country$|nationality|country_of", "country"),
    (r"(^|_)(state|region|province|county)(_?(code|name))?$|administrative", "state"),
    (r"time_?zone|(^|_)tz(_name)?$", "time_zone"),
    (r"(^|_)currency(_?code)?$|currency_iso", "currency"),
    (r"locale|language_?tag", "language"),
    (r"(^|_)lang(uage)?(_?code)?$", "language_short"),
    (r"(^|_)(url|uri|href|link|website|web_site|homepage|web|avatar|webhook)(_?url)?$|_url_|_urls?$|_uri$|_href$|(^|_)(image|logo|icon|photo|picture|thumbnail|avatar)s?$", "url"),
    (r"(^|_)(domain|host)(_?name)?$", "host"),
    (r"(^|_)(ip|ip_?address|ipv4)$", "ipv4"),
    (r"latitude|(^|_)lat$", "latitude"),
    (r"longitude|(^|_)(lng|lon)$", "longitude"),
    (r"colou?r", "colour"),
    (r"percent|(^|_)(rate|ratio)$|discount_rate|tax_rate", "percent"),
    (r"(^|_)(amount|price|total|subtotal|balance|cost|fee|fees|tax|discount|paid|due|refunded|net|gross|shipping|revenue|spent|value_money|credit|debit|unit_?amount)(_(amount|cents|money|due|paid|minor|total|in_cents|remaining|value))?$|_(price|amount|total|cost|balance|cents)$", "amount"),
    (r"quantity|(^|_)(qty|count|stock|inventory|total_count|units|capacity|copies)$|_count$", "quantity"),
    (r"(^|_)year$", "year"),
    (r"(^|_)age$", "age"),
    (r"birth_?day|birth_?date|date_of_birth|(^|_)dob$", "day"),
    (r"_at$|_on$|(^|_)(created|updated|modified|timestamp|date_?time|expires|expiry|last_seen|started|ended|published)(_|$)|_time$|^time$|_utc$", "moment"),
    (r"(^|_)date$|_day$|date_", "day"),
    (r"(^|_)sku$|barcode|part_number", "sku"),
    (r"(^|_)(token|secret|password|api_?key|hash|etag|signature|checksum|fingerprint)$", "token"),
    (r"(^|_)(id|ids|gid|uid|uuid|guid|sid|ref|key)$|_(number|no|code|reference)$|^number$|^reference$", "id"),
    (r"file_?name", "file_name"),
    (r"product_?name|item_?name", "product"),
    (r"description|summary|note|comment|message|body|content|memo|bio|about|details|reason|text|instructions", "paragraph"),
    (r"title|subject|headline|label|caption|(^|_)name$", "title"),
    (r"address$", "address"),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), meaning) for pattern, meaning in _NAMES)

# Names that say nothing: `emails: [{data: …}]`, `phone: {value: …}`.
_HOLLOW = frozenset(("data", "value", "content", "text", "val"))
_SPREADING: frozenset[Meaning] = frozenset(("email", "phone", "url"))
PEOPLE = re.compile(
    r"customer|contact|person|people|user|profile|member|patient|employee|owner|author|lead|guest|payer|student|"
    r"assignee|creator|reviewer|sender|recipient|approver|manager|contributor|reporter|requester|agent|attendee|"
    r"speaker|driver|doctor|teacher|applicant|candidate|subscriber|holder|beneficiary|debtor|creditor"
)
COMPANIES = re.compile(
    r"compan|organi[sz]ation|account|vendor|supplier|merchant|business|tenant|workspace|institution|location|store|"
    r"enterprise|brand|employer|manufacturer|publisher|(^|_)bank|carrier"
)
_PRODUCTS = re.compile(r"product|item|variant|sku|catalog|plan|article")
_PETS = re.compile(r"(^|_)(pet|animal|dog|cat)s?$")
_LABELS = re.compile(
    r"tag|categor|label|group|segment|list$|lists$|folder|collection|department|channel|skill|topic"
)
_PLACES = re.compile(r"address|location|billing|shipping|place|venue")


def words(name: str) -> str:
    """`lastName`, `LastName` and `last-name` as `last_name`."""
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


@lru_cache(maxsize=8192)
def _by_name(name: str) -> Meaning:
    plain = words(name)
    for pattern, meaning in _COMPILED:
        if pattern.search(plain):
            return meaning
    return "plain"


def meaning_of(name: str, schema: JsonSchema, parent: str = "") -> Meaning:
    """What the field `name` inside `parent` is about; `plain` when nothing says so."""
    meaning = _by_name(name)
    declared = schema.get("type")
    types = {declared} if isinstance(declared, str) else set(declared or ())
    if types == {"boolean"}:
        return "plain"
    if words(name) in _HOLLOW and _by_name(parent.removesuffix("s")) in _SPREADING:
        meaning = _by_name(parent.removesuffix("s"))
    if types & {"integer", "number"} and "string" not in types:
        return _number(meaning, words(name), schema, "integer" in types and "number" not in types)
    if meaning == "country":
        return _country(schema)
    if meaning in ("title", "plain"):
        named = _named(meaning, words(name), words(parent))
        return named if named != "plain" else _told(schema)
    if meaning == "state" and not _PLACES.search(words(parent)) and _looks_like_status(schema):
        return "plain"
    if meaning == "moment":
        return _time(schema)
    return meaning


_STATUS = re.compile(r"\bstat(e|us) of\b|current state|lifecycle|open|closed|active|pending", re.IGNORECASE)


def _looks_like_status(schema: JsonSchema) -> bool:
    return bool(_STATUS.search(str(schema.get("description", ""))))


def _named(meaning: Meaning, name: str, parent: str) -> Meaning:
    if name == "title" and PEOPLE.search(parent):
        return "job"
    if name != "name" and not name.endswith("_name"):
        return meaning
    # `store_name` says itself whose name it is; `name` has it from where it lies.
    about = name.removesuffix("name").strip("_") or parent
    for pattern, found in _NAMED:
        if pattern.search(about):
            return found
    return "title"


# What an object's name is, by what the object is; the first that fits.
_NAMED: tuple[tuple[re.Pattern[str], Meaning], ...] = (
    (_PETS, "pet"), (_LABELS, "label"), (COMPANIES, "company"), (_PRODUCTS, "product"), (PEOPLE, "full_name"),
    (_PLACES, "full_name"),
)  # fmt: skip

# What descriptions of texts say plainly, where the name says nothing.
_TOLD: tuple[tuple[re.Pattern[str], Meaning], ...] = (
    (re.compile(r"^[^.]{0,60}\bphone number(?! (id|sid))\b", re.I), "phone"),
    (re.compile(r"^[^.]{0,60}\be-?mail address(?! (id|sid))\b", re.I), "email"),
    (re.compile(r"\bISO.?(4217|4127)\b|\bcurrency code\b", re.I), "currency"),
    (re.compile(r"\bISO.?3166(-1)?\b|two.letter country code", re.I), "country_code"),
    (re.compile(r"\b(IANA|olson) time ?zone\b|\btz database\b", re.I), "time_zone"),
)


def _told(schema: JsonSchema) -> Meaning:
    description = schema.get("description")
    if isinstance(description, str) and "enum" not in schema:
        for pattern, meaning in _TOLD:
            if pattern.search(description[:300]):
                return meaning
    return "plain"


def _country(schema: JsonSchema) -> Meaning:
    text = str(schema.get("description", "")).lower()
    example = str(example_of(schema) or "")
    limit = schema.get("maxLength")
    if re.search(r"iso|two.letter|2.letter|alpha.?2|country code", text) or limit == 2:
        return "country_code"
    if re.fullmatch(r"[A-Z]{2}", example):
        return "country_code"
    return "country_name"


def _time(schema: JsonSchema) -> Meaning:
    if schema.get("format") == "date":
        return "day"
    example = str(example_of(schema) or "")
    if re.fullmatch(r"\d{4}-\d\d-\d\d", example):
        return "day"
    if re.fullmatch(r"\d{13}", example):
        return "unix_milliseconds"
    return "unix_seconds" if re.fullmatch(r"\d{10}", example) else "moment"


def _number(meaning: Meaning, name: str, schema: JsonSchema, whole: bool) -> Meaning:
    text = str(schema.get("description", "")).lower()
    if schema.get("format") == "unix-time" or re.search(
        r"unix (time|epoch)|since (the )?(unix )?epoch|epoch", text
    ):
        return "unix_milliseconds" if "millisecond" in text else "unix_seconds"
    if meaning in ("moment", "day"):
        if re.search(r"millisecond|_ms$", text + name):
            return "unix_milliseconds"
        return "unix_seconds" if whole else "plain"
    if meaning == "amount":
        is_minor = whole or re.search(r"\bcents?\b|smallest (currency )?(unit|denomination)|minor unit", text)
        return "minor_amount" if is_minor else "amount"
    if meaning in ("id", "percent", "quantity", "latitude", "longitude", "age", "year"):
        return meaning
    return "plain"


def example_of(schema: JsonSchema) -> Any:
    """The schema's own example, whichever keyword holds it; None when it has none."""
    if "example" in schema:
        return schema["example"]
    many = schema.get("examples")
    if isinstance(many, list) and many:
        return many[0]
    if isinstance(many, dict) and many:
        first = next(iter(many.values()))
        return first.get("value") if isinstance(first, dict) else first
    return None
