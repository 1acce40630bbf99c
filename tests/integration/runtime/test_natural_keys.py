"""Destinations that give no id for what they store: the natural key leads to a record, also to a changed one."""

from __future__ import annotations

from tests.integration.runtime.apis import Apis, digest, person
from tests.integration.runtime.definitions import definition, with_lookup
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.dead_letters import list_dead_letters, retry_dead_letters
from vitesse_graph.runtime.engine import SyncEngine
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.definition import IntegrationDefinition


def without_ids(url: str, name: str) -> IntegrationDefinition:
    made = with_lookup(definition(url, name))
    return made.model_copy(update={"dest": made.dest.model_copy(update={"id_at": ""})})


async def test_a_record_whose_natural_key_changes_is_updated_not_doubled(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    """The one with capitals too: this destination compares letter by letter."""
    apis.people = [person(n) for n in range(5)] + [person(5, email="Ada@Example.com")]
    made = without_ids(apis.url, name)
    assert (await SyncEngine(made, store, policy=policy).run()).created == 6
    apis.people[2]["email"], apis.people[5]["email"] = "new@example.com", "Countess@Example.com"
    report = await SyncEngine(made, store, policy=policy).run()
    assert (report.updated, report.unchanged, report.created) == (2, 4, 0)
    assert apis.emails == {p["email"]: 1 for p in apis.people}
    apis.people[2]["email"] = "newer@example.com"
    assert (await SyncEngine(made, store, policy=policy).run()).updated == 1
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_record_that_loses_its_natural_key_is_still_found_by_the_old_one(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(3)]
    made = without_ids(apis.url, name)
    await SyncEngine(made, store, policy=policy).run()
    apis.people[1]["email"] = None
    report = await SyncEngine(made, store, policy=policy).run()
    assert (report.updated, len(apis.contacts)) == (1, 3)


async def test_a_record_that_is_gone_over_there_under_both_keys_is_created_anew(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(3)]
    made = without_ids(apis.url, name)
    await SyncEngine(made, store, policy=policy).run()
    apis.contacts = {k: c for k, c in apis.contacts.items() if c["email"] != apis.people[1]["email"]}
    apis.people[1]["email"] = "new@example.com"
    assert (await SyncEngine(made, store, policy=policy).run()).written == 1
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_record_that_takes_the_natural_key_of_another_overwrites_nothing(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(3)]
    made = without_ids(apis.url, name)
    await SyncEngine(made, store, policy=policy).run()
    before = digest(apis.contacts)
    apis.people[2]["email"] = apis.people[0]["email"]
    assert (await SyncEngine(made, store, policy=policy).run()).quarantined == 1
    assert [x["code"] for x in await list_dead_letters(store, name)] == ["natural_key_taken"]
    # nor when a person asks for it
    engine = SyncEngine(made, store, policy=policy)
    assert (await retry_dead_letters(engine))["failed"] == 1
    assert digest(apis.contacts) == before
