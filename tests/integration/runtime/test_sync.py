"""A sync moves every record once, and says what became of each."""

from __future__ import annotations

from tests.integration.runtime.apis import Apis, person
from tests.integration.runtime.definitions import batched, definition, incremental, with_lookup
from vitesse_graph.http import AddressPolicy
from vitesse_graph.runtime.engine import SyncEngine, SyncRequest
from vitesse_graph.runtime.provenance import explain
from vitesse_graph.runtime.store import Store
from vitesse_graph.state.definition import IntegrationDefinition, SyncReport


async def sync(
    made: IntegrationDefinition, store: Store, policy: AddressPolicy, **request: object
) -> SyncReport:
    return await SyncEngine(made, store, policy=policy).run(SyncRequest(**request))  # type: ignore[arg-type]


def closes(report: SyncReport) -> bool:
    return report.fetched == (
        report.written + report.unchanged + report.filtered + report.quarantined + report.deleted
    )


async def test_every_record_arrives_once(apis: Apis, store: Store, policy: AddressPolicy, name: str) -> None:
    apis.people = [person(n) for n in range(173)]
    report = await sync(definition(apis.url, name), store, policy)
    assert (report.status, report.fetched, report.created) == ("completed", 173, 173)
    assert apis.emails == {p["email"]: 1 for p in apis.people}


async def test_a_second_run_leaves_unchanged_records_alone(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(120)]
    made = definition(apis.url, name)
    await sync(made, store, policy)
    before = apis.requests["POST"]
    report = await sync(made, store, policy)
    assert (report.unchanged, report.written, apis.requests["POST"]) == (120, 0, before)


async def test_a_changed_record_is_updated_at_its_known_id(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(60)]
    made = definition(apis.url, name)
    await sync(made, store, policy)
    apis.people[7]["first_name"] = "Renamed"
    report = await sync(made, store, policy)
    assert (report.updated, report.unchanged, len(apis.contacts)) == (1, 59, 60)
    assert sum(c["first_name"] == "Renamed" for c in apis.contacts.values()) == 1


async def test_batches_carry_several_records_in_a_call(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(100)]
    report = await sync(batched(definition(apis.url, name)), store, policy)
    assert (report.created, apis.requests["POST /contacts/batch"]) == (100, 6)
    assert set(apis.emails.values()) == {1}


async def test_the_refused_element_of_a_batch_does_not_take_others_with_it(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(40)]
    apis.refuses = lambda body: "bad" if body["first_name"] == "First7" else None
    report = await sync(batched(definition(apis.url, name)), store, policy)
    assert (report.created, report.quarantined) == (39, 1)
    assert closes(report)


async def test_a_record_that_exists_over_there_is_matched_not_doubled(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(30)]
    apis.contacts["x1"] = {"id": "x1", "email": apis.people[3]["email"], "first_name": "old"}
    report = await sync(with_lookup(definition(apis.url, name)), store, policy)
    assert (report.created, report.updated) == (29, 1)
    assert set(apis.emails.values()) == {1}
    assert apis.contacts["x1"]["first_name"] == "First3"


async def test_an_incremental_run_reads_only_what_changed(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(3000)]
    made = incremental(definition(apis.url, name, page_size=500))
    assert (await sync(made, store, policy)).full
    apis.people.append(person(3001))
    report = await sync(made, store, policy)
    assert not report.full
    assert report.created == 1
    assert report.fetched < 400  # the overlap of five minutes holds about 300 records
    assert (await sync(made, store, policy, full=True)).fetched == 3001


async def test_a_new_version_of_the_definition_reads_everything_and_updates_what_differs(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(50)]
    made = incremental(definition(apis.url, name))
    await sync(made, store, policy)
    mapping = made.mapping.evolve(version=2)
    mapping.transformations[1].source_field = "last_name"
    report = await sync(made.model_copy(update={"version": 2, "mapping": mapping}), store, policy)
    assert (report.full, report.updated, len(apis.contacts)) == (True, 50, 50)


async def test_a_record_is_explained_by_the_mapping_that_wrote_it_whatever_came_after(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(3)]
    made = definition(apis.url, name)
    made.approved_by = "ada"
    first = await SyncEngine(made, store, policy=policy).run()
    made = made.model_copy(update={"version": 2, "approved_by": "grace"}, deep=True)
    made.mapping = made.mapping.evolve(version=2)
    made.mapping.transformations = made.mapping.transformations[:3]
    apis.people[0]["first_name"] = "New"
    apis.people[1:] = []  # only the first one is seen, and written, by the new version
    second = await SyncEngine(made, store, policy=policy).run()
    old, new = await explain(store, name, "2"), await explain(store, name, "0")
    assert (old["run_id"], old["approved_by"], len(old["steps"])) == (int(first.run_id), "ada", 4)
    assert (new["run_id"], new["approved_by"], len(new["steps"])) == (int(second.run_id), "grace", 3)


async def test_a_refused_record_goes_to_the_dead_letters_and_the_rest_goes_on(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    apis.people = [person(n) for n in range(80)]
    apis.people[5]["total_spent"] = "many"
    apis.refuses = lambda body: "email is taken" if body["first_name"] == "First9" else None
    made = definition(apis.url, name)
    report = await sync(made, store, policy)
    assert (report.created, report.quarantined) == (78, 2)
    letters = await store.records(
        "list_letters", {"id": name, "status": "open", "ids": None, "after": 0, "limit": 10}
    )
    assert {letter["code"] for letter in letters} == {"transform", "http_422"}
    assert "email is taken" in " ".join(letter["reason"] for letter in letters)
    before = apis.requests["POST"]
    again = await sync(made, store, policy)
    assert (again.quarantined, apis.requests["POST"]) == (2, before)
    assert closes(again)


async def test_a_source_without_records_is_a_completed_run(
    apis: Apis, store: Store, policy: AddressPolicy, name: str
) -> None:
    report = await sync(definition(apis.url, name), store, policy)
    assert (report.status, report.fetched) == ("completed", 0)
