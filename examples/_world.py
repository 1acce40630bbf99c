"""What the examples share: the request, and the two stand-in servers with their credentials."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from vitesse_graph.demo.stands import Stands, run_stands


@asynccontextmanager
async def shop_and_crm() -> AsyncIterator[tuple[dict[str, Any], Stands]]:
    """A request for "shop customers into CRM contacts" and the servers that it is about.

    Credentials go into the environment: a request only names where they are.
    """
    async with run_stands() as stands:
        os.environ["EXAMPLE_SHOP_TOKEN"] = stands.shopify_token
        os.environ["EXAMPLE_CRM_KEY"] = stands.credo_api_key
        request = {
            "user_intent": "Sync Shopify customers into our Credo CRM contacts",
            "source": stands.shopify_spec_url,
            "dest": stands.credo_spec_url,
            "source_auth": "env:EXAMPLE_SHOP_TOKEN",
            "dest_auth": "env:EXAMPLE_CRM_KEY",
            "test_sample_size": 20,
        }
        yield request, stands


def new_thread() -> dict[str, Any]:
    """The config of a fresh integration: one integration is one thread."""
    return {"configurable": {"thread_id": str(uuid.uuid4())}}
