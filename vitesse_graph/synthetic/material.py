"""Raw material: people, places, companies, words. Made once per process with Faker, then only indexed.

Entries of one index belong together (a person's names and email, a place's street, city, postcode
and country), so that a record reads as if it were about one person at one address. Addresses use
the domains and number ranges reserved for examples.
"""

from __future__ import annotations

import random
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from vitesse_graph.synthetic import phrases

SIZE = 96
"""Entries of each pool."""

_LOCALES = ("en_US", "en_US", "en_US", "en_GB", "de_DE", "fr_FR", "pl_PL", "pt_BR", "ja_JP")
_COUNTRIES = {
    "en_US": ("US", "United States"), "en_GB": ("GB", "United Kingdom"), "de_DE": ("DE", "Germany"),
    "fr_FR": ("FR", "France"), "pl_PL": ("PL", "Poland"), "pt_BR": ("BR", "Brazil"), "ja_JP": ("JP", "Japan"),
}  # fmt: skip
_LANGUAGES = {
    "en_US": "en-US", "en_GB": "en-GB", "de_DE": "de-DE", "fr_FR": "fr-FR", "pl_PL": "pl-PL",
    "pt_BR": "pt-BR", "ja_JP": "ja-JP",
}  # fmt: skip
_ZONES = {
    "en_US": "America/New_York", "en_GB": "Europe/London", "de_DE": "Europe/Berlin", "fr_FR": "Europe/Paris",
    "pl_PL": "Europe/Warsaw", "pt_BR": "America/Sao_Paulo", "ja_JP": "Asia/Tokyo",
}  # fmt: skip
_CURRENCIES = {
    "en_US": "USD", "en_GB": "GBP", "de_DE": "EUR", "fr_FR": "EUR", "pl_PL": "PLN", "pt_BR": "BRL", "ja_JP": "JPY",
}  # fmt: skip
_STATES = {
    "en_GB": "England", "de_DE": "Bayern", "fr_FR": "Bretagne", "pl_PL": "Mazowieckie", "pt_BR": "SP",
    "ja_JP": "Tokyo",
}  # fmt: skip


class Pools(NamedTuple):
    """Parallel lists of `SIZE` texts."""

    first_name: list[str]
    last_name: list[str]
    full_name: list[str]
    email: list[str]
    username: list[str]
    phone: list[str]
    company: list[str]
    job: list[str]
    street: list[str]
    street2: list[str]
    address: list[str]
    city: list[str]
    state: list[str]
    postcode: list[str]
    country_code: list[str]
    country_name: list[str]
    language: list[str]
    language_short: list[str]
    time_zone: list[str]
    currency: list[str]
    url: list[str]
    host: list[str]
    product: list[str]
    title: list[str]
    sentence: list[str]
    paragraph: list[str]
    word: list[str]
    colour: list[str]
    ipv4: list[str]
    user_agent: list[str]
    file_name: list[str]
    label: list[str]
    pet: list[str]
    tax_number: list[str]
    version: list[str]


@lru_cache(maxsize=4)
def pools(seed: int = 0) -> Pools:
    """The material of a seed. About 0.2 s the first time in a process, most of it importing Faker."""
    from faker import Faker

    fakers = {}
    for locale in dict.fromkeys(_LOCALES):
        fakers[locale] = Faker(locale)
        fakers[locale].seed_instance(f"{seed}:{locale}")
    english = fakers["en_US"]
    rng = random.Random(f"pools:{seed}")
    rows: list[tuple[str, ...]] = []
    for index in range(SIZE):
        locale = _LOCALES[index % len(_LOCALES)]
        local = fakers[locale]
        first, last = local.first_name(), local.last_name()
        code, country = _COUNTRIES[locale]
        slug = _slug(f"{first}.{last}") or f"user{index}"
        company = local.company()
        host = f"{_slug(company).replace('.', '-')[:20].strip('-') or 'company'}.example.com"
        city, postcode = local.city(), local.postcode()
        state = english.state_abbr() if locale == "en_US" else _STATES[locale]
        street = (
            f"{local.building_number()} {local.street_name()}"
            if locale != "ja_JP"
            else local.street_address()
        )
        word = phrases.word(rng)
        rows.append(
            (
                first, last, f"{first} {last}", f"{slug}{index}@example.{('com', 'org', 'net')[index % 3]}",
                f"{slug}{index}", f"+1202555{rng.randrange(100, 200):04d}", company, english.job(), street,
                f"Apt. {rng.randrange(1, 400)}", f"{street}, {postcode} {city}, {country}", city, state, postcode,
                code, country, _LANGUAGES[locale], _LANGUAGES[locale][:2], _ZONES[locale], _CURRENCIES[locale],
                f"https://www.{host}/{word}", host, phrases.product(rng), phrases.title(rng), phrases.sentence(rng),
                phrases.paragraph(rng), word, english.safe_hex_color(), f"203.0.113.{index + 1}",
                "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0", f"{word}-{index}.pdf",
                phrases.label(rng), phrases.pet(rng), f"{code}{rng.randrange(10**8, 10**9)}",
                f"{rng.randrange(1, 9)}.{rng.randrange(20)}.{rng.randrange(10)}",
            )
        )  # fmt: skip
    return Pools(*(list(column) for column in zip(*rows, strict=True)))


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.").replace("-.", ".").replace(".-", ".")
