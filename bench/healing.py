"""Breaks integrations in some thirty ways and looks whether they are noticed, understood and healed.

    python -m bench.healing [--pairs N] [--case TEXT] [--verbose]

The matrix is the one that `vitesse chaos` runs (`vitesse_graph/chaos`), here over eight pairs of APIs.
Prints Markdown; what did not end as it should goes to stderr.

Noticed after: records that the runtime handled before the monitor acted; 0 is before any traffic.
Wrong writes: records at the destination with a value that the first mapping, on the records as they
were, would not have given. Lost: records that should be there in the end and are not.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from vitesse_graph.chaos import Asked, Outcome, cases_named, render, run_matrix
from vitesse_graph.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "specs"
DEMO = ROOT / "vitesse_graph" / "demo"
SHOP, CRM = DEMO / "shopify_like.json", DEMO / "credo_like.json"
STRIPE, XERO = SHARED / "stripe" / "stripe-spec3-json.json.gz", SHARED / "xero" / "xero-accounting.yaml"
SQUARE, KLAVIYO = SHARED / "square" / "square.json.gz", SHARED / "klaviyo" / "klaviyo.json.gz"
INTERCOM = SHARED / "intercom" / "intercom-2.16.yaml.gz"
PAIRS = (
    ("shop → CRM", SHOP, "GET /customers.json", CRM, "POST /contacts"),
    ("Stripe → Xero", STRIPE, "GET /v1/customers", XERO, "PUT /Contacts"),
    ("Square → CRM", SQUARE, "GET /v2/customers", CRM, "POST /contacts"),
    ("shop → Intercom", SHOP, "GET /customers.json", INTERCOM, "POST /contacts"),
    ("Klaviyo → CRM", KLAVIYO, "GET /api/profiles", CRM, "POST /contacts"),
    ("Stripe → Klaviyo", STRIPE, "GET /v1/customers", KLAVIYO, "POST /api/profiles"),
    ("Intercom → Square", INTERCOM, "GET /contacts", SQUARE, "POST /v2/customers"),
    ("shop → Square", SHOP, "GET /customers.json", SQUARE, "POST /v2/customers"),
)


def asked(limit: int) -> list[Asked]:
    """The pairs whose documents are here."""
    here = [row for row in PAIRS if row[1].exists() and row[3].exists()][:limit]
    if len(here) < min(limit, len(PAIRS)):
        sys.stderr.write(f"{len(PAIRS) - len(here)} of {len(PAIRS)} pairs left out.\n")
    return [
        Asked(
            name=name,
            source=str(source),
            source_endpoint=source_key,
            dest=str(dest),
            dest_endpoint=dest_key,
            intent=name,
        )
        for name, source, source_key, dest, dest_key in here
    ]


def main(arguments: argparse.Namespace) -> int:
    def told(outcome: Outcome) -> None:
        if arguments.verbose or not outcome.is_right:
            sys.stderr.write(f"{outcome.line()}\n")

    outcomes = asyncio.run(
        run_matrix(
            asked(arguments.pairs),
            settings=Settings(),
            cases=cases_named(arguments.case),
            on_outcome=told,
        )
    )
    sys.stdout.write(render(outcomes) + "\n")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=len(PAIRS))
    parser.add_argument("--case", default="")
    parser.add_argument("--verbose", action="store_true")
    raise SystemExit(main(parser.parse_args()))
