"""The shop's data: customers, orders and products, the same ones every time.

Everything follows from one seed, so two runs of the demo can be compared record by record. Names
come from several countries, since a sync that only ever saw ASCII proves little.
"""

from __future__ import annotations

import random
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

CUSTOMERS = 1_247
ORDERS = 420
PRODUCTS = 36

_FIRST_ID = 7_118_000_000_001
_LOCALES = (
    # locale, country, dialling prefix, UTC offset in hours, share
    ("en_US", "US", "+1", -5, 46),
    ("de_DE", "DE", "+49", 1, 12),
    ("fr_FR", "FR", "+33", 1, 10),
    ("es_MX", "MX", "+52", -6, 9),
    ("pl_PL", "PL", "+48", 1, 7),
    ("cs_CZ", "CZ", "+420", 1, 6),
    ("tr_TR", "TR", "+90", 3, 5),
    ("ja_JP", "JP", "+81", 9, 5),
)
_TAGS = ("vip", "newsletter", "wholesale", "returning", "gift-buyer", "b2b", "beta", "pop-up-store")
_NOTES = (
    "Prefers to be called in the afternoon.",
    "Asked for paper-free invoices.",
    "Collects parcels at the shop — don't ship.",
    "Allergic to wool.",
)
_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com")


def _ascii(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(letter for letter in folded.lower() if letter.isalnum())


def _iso(moment: datetime, offset_hours: int) -> str:
    return moment.astimezone(timezone(timedelta(hours=offset_hours))).isoformat()


def make_customers(count: int = CUSTOMERS, seed: int = 20) -> list[dict[str, Any]]:
    """`count` customers in the order of their ids; no two share an email address.

    Some have no phone, no name, no tags or a note with unusual characters, as real ones do.
    """
    # Faker takes a fifth of a second to import: only the server process pays for it.
    from faker import Faker

    rng = random.Random(seed)
    makers = []
    for locale, *_ in _LOCALES:
        maker = Faker(locale)
        maker.seed_instance(seed)
        makers.append(maker)
    weights = [row[4] for row in _LOCALES]
    customers = []
    for number in range(count):
        index = rng.choices(range(len(_LOCALES)), weights)[0]
        _, country, dialling, offset, _ = _LOCALES[index]
        maker = makers[index]
        first, last = maker.first_name(), maker.last_name()
        local = ".".join(part for part in (_ascii(first), _ascii(last)) if part) or "customer"
        created = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(4 * 365 * 86_400))
        updated = created + timedelta(seconds=rng.randrange(300 * 86_400))
        orders = rng.choices((0, 1, 2, 3, 5, 8, 21), (18, 34, 20, 12, 9, 5, 2))[0]
        spent_cents = sum(rng.randrange(500, 24_000) for _ in range(orders))
        record_id = _FIRST_ID + number * 257
        customers.append(
            {
                "id": record_id,
                "email": f"{local}.{number + 1}@{rng.choice(_DOMAINS)}",
                "first_name": None if rng.random() < 0.02 else first,
                "last_name": None if rng.random() < 0.01 else last,
                "phone": None if rng.random() < 0.18 else f"{dialling}{rng.randrange(10**8, 10**9)}",
                "created_at": _iso(created, offset),
                "updated_at": _iso(updated, offset),
                "orders_count": orders,
                "state": rng.choices(("enabled", "disabled", "invited", "declined"), (70, 22, 6, 2))[0],
                "total_spent": f"{spent_cents // 100}.{spent_cents % 100:02d}",
                "currency": "USD",
                "note": rng.choice(_NOTES) if rng.random() < 0.1 else None,
                "verified_email": rng.random() < 0.85,
                "tax_exempt": rng.random() < 0.04,
                "tags": sorted(rng.sample(_TAGS, rng.choices((0, 1, 2, 3), (35, 35, 20, 10))[0])),
                "last_order_id": 5_400_000_000_000 + number if orders else None,
                "default_address": {
                    "address1": maker.street_address(),
                    "city": maker.city(),
                    "zip": maker.postcode(),
                    "country_code": country,
                },
            }
        )
    return customers


def make_products(count: int = PRODUCTS, seed: int = 21) -> list[dict[str, Any]]:
    """Things the shop sells."""
    rng = random.Random(seed)
    kinds = (("Enamel mug", "Kitchen"), ("Wool blanket", "Home"), ("Field notebook", "Paper"))
    colours = ("white", "moss", "rust", "ink", "sand", "plum")
    products = []
    for number in range(count):
        title, kind = kinds[number % len(kinds)]
        created = datetime(2021, 2, 1, tzinfo=UTC) + timedelta(days=rng.randrange(900))
        products.append(
            {
                "id": 8_200_000_000_001 + number * 31,
                "title": f"{title}, {colours[number // len(kinds) % len(colours)]} no. {number + 1}",
                "vendor": rng.choice(("Nordvik", "Casa Lume", "Holloway & Daughters")),
                "product_type": kind,
                "status": rng.choices(("active", "archived", "draft"), (80, 12, 8))[0],
                "price": f"{rng.randrange(8, 140)}.{rng.choice(('00', '50', '90'))}",
                "tags": sorted(rng.sample(("new", "sale", "bestseller"), rng.randrange(3))),
                "created_at": _iso(created, 0),
                "updated_at": _iso(created + timedelta(days=rng.randrange(200)), 0),
            }
        )
    return products


def make_orders(
    customers: list[dict[str, Any]], products: list[dict[str, Any]], count: int = ORDERS, seed: int = 22
) -> list[dict[str, Any]]:
    """Orders of those customers for those products; each total is the sum of its lines."""
    rng = random.Random(seed)
    orders = []
    for number in range(count):
        buyer = rng.choice(customers)
        lines = [
            {
                "product_id": product["id"],
                "title": product["title"],
                "quantity": rng.randrange(1, 4),
                "price": product["price"],
            }
            for product in rng.sample(products, rng.randrange(1, 4))
        ]
        cents = sum(int(line["price"].replace(".", "")) * line["quantity"] for line in lines)
        created = datetime(2024, 6, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(400 * 86_400))
        orders.append(
            {
                "id": 5_400_000_000_001 + number * 13,
                "name": f"#{1001 + number}",
                "email": buyer["email"],
                "customer_id": buyer["id"],
                "created_at": _iso(created, 0),
                "updated_at": _iso(created + timedelta(hours=rng.randrange(72)), 0),
                "total_price": f"{cents // 100}.{cents % 100:02d}",
                "currency": "USD",
                "financial_status": rng.choices(("paid", "pending", "refunded"), (88, 8, 4))[0],
                "line_items": lines,
            }
        )
    return orders
