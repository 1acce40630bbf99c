"""Renewing a credential on purpose, and finding out whether the API accepts it.

A grant is asked for a fresh token, whatever the old one's time; any other credential is read anew from
where its reference points (somebody may have put a fresh one there). Then one read tells. Only a
definite answer counts as a refusal: a token endpoint that is away says nothing about the grant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from vitesse_graph.errors import UpstreamError, VitesseError
from vitesse_graph.runtime.client import ApiClient, NeedsReauth
from vitesse_graph.runtime.connect import Options, Sides, open_sides
from vitesse_graph.runtime.reader import SourceReader
from vitesse_graph.runtime.secrets import Redactor, SecretResolver
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.definition import AuthRefresh, IntegrationDefinition

if TYPE_CHECKING:
    from vitesse_graph.http import AddressPolicy

SideName = Literal["source", "dest"]
PATIENCE_SECONDS = 10.0


async def refresh_auth(
    definition: IntegrationDefinition,
    side: SideName,
    *,
    store: Store | None,
    policy: AddressPolicy,
    redactor: Redactor | None = None,
    resolver: SecretResolver | None = None,
) -> AuthRefresh:
    """Renews one side's credential and tries it. Never raises for what the API or its token endpoint says."""
    words = redactor or Redactor()
    made = AuthRefresh(side=side)
    try:
        async with open_sides(
            definition,
            policy=policy,
            redactor=words,
            store=store,
            options=Options(patience_seconds=PATIENCE_SECONDS),
            resolver=resolver,
        ) as sides:
            client = sides.source if side == "source" else sides.dest
            made.renewed = await client.renew()
            await _try(definition, sides, side, made)
    except NeedsReauth as error:
        made.verdict, made.detail = "refused", words(str(error))
    except VitesseError as error:
        made.verdict, made.detail = "unclear", words(str(error))
    return made


async def _try(definition: IntegrationDefinition, sides: Sides, side: SideName, made: AuthRefresh) -> None:
    """One read with the credential as it is now."""
    if side == "source":
        try:
            async for _ in SourceReader(definition.source, sides.source).pages():
                break
        except NeedsReauth:
            raise
        except UpstreamError as error:
            if error.status is None or error.status < 400 or error.status >= 500:
                raise
            # refused for another reason than the credential: 403 is about rights, 404 about the place
            made.detail = str(error)
            made.verdict = "unclear" if error.status in (403, 407) else "accepted"
            return
        made.verdict = "accepted"
        return
    await _try_dest(definition, sides.dest, made)


async def _try_dest(definition: IntegrationDefinition, client: ApiClient, made: AuthRefresh) -> None:
    """A destination may have nothing that can be read: then only a fresh token speaks for it."""
    dest = definition.dest
    call = dest.lookup.call if dest.lookup is not None else dest.create
    if set(re.findall(r"\{([^}]+)\}", call.path)) - set(call.path_params):
        made.verdict = "accepted" if made.renewed else "unclear"
        return
    answer = await client.send("GET", client.url_of(call), headers={"Accept": "application/json"})
    if answer.verdict == "ok" or (answer.status in (404, 405) and made.renewed):
        made.verdict = "accepted"
    else:
        made.detail = client.describe(answer)
