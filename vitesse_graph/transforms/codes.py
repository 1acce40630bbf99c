"""Phones, countries, languages: codes that standards define. Their tables load when first used."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from vitesse_graph.transforms.registry import Apply, transform
from vitesse_graph.transforms.result import TransformProblem
from vitesse_graph.transforms.text import as_text


@transform("phone_to_e164", accepts=("string",), returns="string", many=True, builder=True)
def phone_to_e164(region: str | None = None, unparsable: str = "error") -> Apply:
    """a phone number in E.164 (+12025550123)

    `region` (ISO 3166 alpha-2) is the country of numbers written without one; `unparsable` is
    `error` or `keep`. Several fields (country code, area code, number) are put together first.
    """
    if unparsable not in ("error", "keep"):
        raise ValueError("unparsable must be error or keep")
    home = region.upper() if region else None

    def convert(value: Any) -> str:
        import phonenumbers

        text = _phone_text(value)
        try:
            parsed = phonenumbers.parse(text, home)
            if phonenumbers.is_possible_number(parsed):
                return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
        except phonenumbers.NumberParseException:
            pass
        if unparsable == "keep":
            return text
        raise TransformProblem("not a phone number that can be read without knowing its country")

    return convert


def _phone_text(value: Any) -> str:
    if not isinstance(value, list):
        return as_text(value)
    parts = [as_text(v).strip() for v in value if v is not None]
    parts = [p for p in parts if p]
    if len(parts) > 1 and re.fullmatch(r"\+?\d{1,3}", parts[0]) and len(value) > 2:
        parts[0] = "+" + parts[0].lstrip("+")
    return " ".join(parts)


@lru_cache(maxsize=4096)
def _country(text: str) -> tuple[str, str, str] | None:
    import pycountry

    wanted = text.strip()
    if not wanted:
        return None
    found = None
    if len(wanted) in (2, 3):
        code = wanted.upper()
        found = (
            pycountry.countries.get(alpha_2=code) if len(code) == 2 else pycountry.countries.get(alpha_3=code)
        )
    if found is None:
        try:
            found = pycountry.countries.lookup(_OTHER_NAMES.get(wanted.casefold(), wanted))
        except LookupError:
            return None
    name = getattr(found, "common_name", None) or found.name
    return found.alpha_2, found.alpha_3, name


_OTHER_NAMES = {
    "uk": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "great britain": "GB",
    "usa": "US",
    "u.s.": "US",
    "u.s.a.": "US",
    "united states of america": "US",
    "america": "US",
    "russia": "RU",
    "south korea": "KR",
    "north korea": "KP",
    "vietnam": "VN",
    "holland": "NL",
    "ivory coast": "CI",
    "the netherlands": "NL",
    "turkey": "TR",
    "deutschland": "DE",
}
"""Names in daily use that the standard's own list does not hold."""


def _country_transform(name: str, index: int, summary: str) -> None:
    def build(unmatched: str = "error", source: str | None = None) -> Apply:
        if source not in (None, *_COUNTRY_FORMS):
            raise ValueError(f"source must be one of {', '.join(_COUNTRY_FORMS)}")
        if unmatched not in ("error", "keep", "skip"):
            raise ValueError("unmatched must be error, keep or skip")

        def convert(value: Any) -> str | None:
            text = as_text(value)
            found = _country(text[:100])
            if found is not None:
                return found[index]
            if unmatched == "error":
                raise TransformProblem("not a country that is known")
            return text if unmatched == "keep" else None

        return convert

    def back(params: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        source = params.get("source")  # a code and a name in, the same code out: only the row knows
        return (f"country_to_{source}", {"source": own}) if source not in (None, own) else None

    own = name.removeprefix("country_to_")
    transform(
        name,
        accepts=("string",),
        returns="string",
        summary=summary,
        builder=True,
        inverse=back,
    )(build)


_COUNTRY_FORMS = ("alpha2", "alpha3", "name")
_country_transform("country_to_alpha2", 0, "a country's name or code → ISO 3166 alpha-2 (US)")
_country_transform("country_to_alpha3", 1, "a country's name or code → ISO 3166 alpha-3 (USA)")
_country_transform("country_to_name", 2, "a country's code → its English name")


@transform("locale_to_language", accepts=("string",), returns="string", builder=True)
def locale_to_language(
    allowed: list[str] | None = None, otherwise: str | None = None, style: str | None = None
) -> Apply:
    """a locale (en-US, pt_BR) → the language code that the destination knows

    With `allowed` the closest allowed code is taken: the whole tag, then the language alone, then
    any tag of that language; otherwise the value of `otherwise`, or an error. Without it the bare
    language is taken; `style` hyphen or underscore keeps the region, written so.
    """
    if style not in (None, "hyphen", "underscore"):
        raise ValueError("style must be hyphen or underscore")
    known = {_tag(code): code for code in allowed or ()}

    def convert(value: Any) -> str:
        tag = _tag(as_text(value))
        language = tag.split("-")[0]
        if not re.fullmatch(r"[a-z]{2,3}", language):
            raise TransformProblem("not a locale")
        if not known:
            return _styled(tag, language, style)
        for candidate in (tag, language):
            if candidate in known:
                return known[candidate]
        near = next((code for key, code in known.items() if key.split("-")[0] == language), otherwise)
        if near is None:
            raise TransformProblem("a language that the destination does not know")
        return near

    return convert


def _tag(text: str) -> str:
    return text.strip().replace("_", "-").casefold()[:40]


def _styled(tag: str, language: str, style: str | None) -> str:
    _, _, region = tag.partition("-")
    if style is None or not region:
        return language
    return f"{language}{'-' if style == 'hyphen' else '_'}{region.upper()}"
