"""One set of cases over every store: files, the engine in this process, qdrant-client's local mode."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from vitesse_graph.errors import InputError, UpstreamError
from vitesse_graph.knowledge.base import KnowledgeDB
from vitesse_graph.knowledge.documents import Document
from vitesse_graph.knowledge.embedders import LexicalEmbedder, choose_embedder
from vitesse_graph.knowledge.manager import KnowledgeDBManager, get_knowledge_db, open_store
from vitesse_graph.knowledge.plain import PlainKnowledge
from vitesse_graph.settings import Settings

MODEL = Path(__file__).resolve().parents[4] / "shared" / "models" / "all-MiniLM-L6-v2"
HAS_EDGE = importlib.util.find_spec("qdrant_edge") is not None
HAS_CLIENT = importlib.util.find_spec("qdrant_client") is not None
needs_edge = pytest.mark.skipif(not HAS_EDGE, reason="qdrant-edge-py is not installed")
needs_model = pytest.mark.skipif(
    not MODEL.exists() or importlib.util.find_spec("fastembed") is None,
    reason="no embedding model in ../shared",
)
DOCS = [
    Document(
        key="a",
        kind="api",
        title="Alpha",
        text="bank transactions and balances",
        meta={"category": "banking"},
    ),
    Document(
        key="b",
        kind="api",
        title="Beta",
        text="newsletter campaigns for subscribers",
        meta={"category": "mail"},
    ),
    Document(
        key="c",
        kind="guide",
        title="Gamma",
        text="bank statements are reconciled monthly",
        meta={"category": "banking"},
    ),
]


def plain(folder: Path) -> KnowledgeDB:
    return PlainKnowledge(folder)


def edge(folder: Path) -> KnowledgeDB:
    from vitesse_graph.knowledge.engine_edge import EdgeEngine
    from vitesse_graph.knowledge.qdrant import QdrantKnowledge

    return QdrantKnowledge(EdgeEngine(folder), LexicalEmbedder())


def client(folder: Path) -> KnowledgeDB:
    from vitesse_graph.knowledge.engine_client import ClientEngine
    from vitesse_graph.knowledge.qdrant import QdrantKnowledge

    return QdrantKnowledge(ClientEngine(path=folder), LexicalEmbedder())


STORES = [
    plain,
    pytest.param(edge, marks=needs_edge),
    pytest.param(client, marks=pytest.mark.skipif(not HAS_CLIENT, reason="qdrant-client is not installed")),
]


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], KnowledgeDB]:
    return lambda: request.param(tmp_path / "store")


@pytest.fixture
async def store(opener: Callable[[], KnowledgeDB]) -> AsyncIterator[KnowledgeDB]:
    db = opener()
    yield db
    await db.aclose()


async def keys(db: KnowledgeDB) -> list[str]:
    return sorted([d.key async for d in db.documents("domain_knowledge")])


async def test_what_was_added_is_found_with_the_best_first(store: KnowledgeDB) -> None:
    await store.add_documents("domain_knowledge", DOCS)
    found = await store.search("domain_knowledge", "bank transactions", 2)
    assert found[0][0].key == "a"
    assert found[0][0].meta == {"category": "banking"}
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


async def test_adding_twice_changes_nothing_and_a_changed_text_replaces(store: KnowledgeDB) -> None:
    first = await store.add_documents("domain_knowledge", DOCS)
    again = await store.add_documents("domain_knowledge", DOCS)
    assert (first.added, again.written, again.unchanged) == (3, 0, 3)
    changed = DOCS[0].evolve(text="crypto coins")
    report = await store.add_documents("domain_knowledge", [changed, changed])
    assert report.updated == 1
    assert await store.count("domain_knowledge") == 3
    assert (await store.get("domain_knowledge", ["a", "nobody"]))["a"].text == "crypto coins"


async def test_documents_without_a_key_are_known_by_their_content(store: KnowledgeDB) -> None:
    nameless = [Document(text="one"), Document(text="one"), Document(text="two")]
    await store.add_documents("domain_knowledge", nameless)
    await store.add_documents("domain_knowledge", nameless)
    assert await store.count("domain_knowledge") == 2


async def test_filters_hold_for_search_and_for_walking(store: KnowledgeDB) -> None:
    await store.add_documents("domain_knowledge", DOCS)
    found = await store.search(
        "domain_knowledge", "bank", 5, where={"kind": "api", "meta.category": ["banking", "x"]}
    )
    assert [d.key for d, _ in found] == ["a"]
    walked = [d.key async for d in store.documents("domain_knowledge", where={"kind": "guide"})]
    assert walked == ["c"]


async def test_deleted_documents_are_gone_and_unknown_keys_do_no_harm(store: KnowledgeDB) -> None:
    await store.add_documents("domain_knowledge", DOCS)
    await store.delete("domain_knowledge", ["a", "nobody"])
    assert await keys(store) == ["b", "c"]
    assert await store.search("domain_knowledge", "  ", 3) == []


async def test_documents_are_there_after_closing_and_opening(opener: Callable[[], KnowledgeDB]) -> None:
    db = opener()
    await db.add_documents("domain_knowledge", DOCS)
    await db.delete("domain_knowledge", ["b"])
    await db.aclose()
    again = opener()
    assert await keys(again) == ["a", "c"]
    assert (await again.search("domain_knowledge", "reconciled statements", 1))[0][0].key == "c"
    await again.aclose()


async def test_a_collection_moves_over_when_its_embedder_changes(opener: Callable[[], KnowledgeDB]) -> None:
    from vitesse_graph.knowledge.qdrant import QdrantKnowledge

    class Other(LexicalEmbedder):
        name = "other-768"

    db = opener()
    if not isinstance(db, QdrantKnowledge):
        pytest.skip("files have no vectors")
    await db.add_documents("domain_knowledge", DOCS)
    await db.aclose()
    reopened = opener()
    assert isinstance(reopened, QdrantKnowledge)
    moved = QdrantKnowledge(reopened._engine, Other())
    assert await keys(moved) == ["a", "b", "c"]
    assert reopened._engine.collections() == ["domain_knowledge--other-768--2"]
    await moved.aclose()


async def test_a_collection_of_an_earlier_layout_moves_over(
    opener: Callable[[], KnowledgeDB], monkeypatch: pytest.MonkeyPatch
) -> None:
    db = opener()
    if isinstance(db, PlainKnowledge):
        pytest.skip("files have no vectors")
    monkeypatch.setattr("vitesse_graph.knowledge.qdrant.LAYOUT", "1")
    await db.add_documents("domain_knowledge", DOCS)
    await db.aclose()
    monkeypatch.undo()
    reopened = opener()
    assert await keys(reopened) == ["a", "b", "c"]
    assert (await reopened.search("domain_knowledge", "bank transactions", 1))[0][0].key == "a"
    await reopened.aclose()


async def test_a_question_is_held_against_each_thing_that_people_ask(store: KnowledgeDB) -> None:
    payroll = Document(key="p", text="Runs of wages.", asked=["gross to net", "tax withheld from pay"])
    await store.add_documents("domain_knowledge", [*DOCS, payroll])
    assert (await store.search("domain_knowledge", "net after withholding tax", 1))[0][0].key == "p"


def test_a_torn_last_line_costs_only_itself(tmp_path: Path) -> None:
    import asyncio

    db = PlainKnowledge(tmp_path)
    asyncio.run(db.add_documents("domain_knowledge", DOCS[:2]))
    path = tmp_path / "domain_knowledge.jsonl"
    path.write_bytes(path.read_bytes() + b'{"text": "torn of')
    again = PlainKnowledge(tmp_path)
    asyncio.run(again.add_documents("domain_knowledge", DOCS[2:]))
    assert asyncio.run(PlainKnowledge(tmp_path).count("domain_knowledge")) == 3


@needs_edge
async def test_what_is_built_in_is_found_before_it_was_ever_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    chosen = choose_embedder(settings, allow_download=False)
    manager = KnowledgeDBManager(lambda: open_store(settings, chosen))
    own = Document(key="learned:mine", kind="learned", text="cents become a decimal amount of ours")
    await manager.add_documents("mapping_patterns", [own])

    async def found() -> list[str]:
        hits = await manager.search("mapping_patterns", "cents to a decimal amount", 6)
        return [document.key for document, _ in hits]

    before = await found()
    assert {"learned:mine", "pattern:cents-to-decimal"} <= set(before)
    assert await manager.get("mapping_patterns", ["pattern:cents-to-decimal"])
    await manager.seed_all(only=("mapping_patterns",))
    after = await found()
    assert {"learned:mine", "pattern:cents-to-decimal"} <= set(after)
    assert len(set(after)) == len(after)
    await manager.aclose()


async def test_seeding_is_complete_and_a_repeat_writes_nothing(tmp_path: Path) -> None:
    manager = KnowledgeDBManager(lambda: (edge(tmp_path), "test"))
    before = await manager.check_seed_status()
    assert not before.is_seeded
    await manager.add_documents(
        "domain_knowledge", [Document(key="old", text="x", meta={"origin": "built-in"})]
    )
    await manager.seed_all()
    after = await manager.check_seed_status()
    assert after.is_seeded
    assert after.counts == after.expected
    assert sum(report.written for report in (await manager.seed_all()).values()) == 0
    found = await manager.search("api_specifications", "payment processor with recurring billing", 5)
    assert "Stripe" in {d.title for d, _ in found}
    await manager.aclose()


async def test_a_store_that_is_away_degrades_search_and_says_so() -> None:
    def fail() -> tuple[KnowledgeDB, str]:
        raise UpstreamError("the knowledge store cannot be opened: test")

    manager = KnowledgeDBManager(fail)
    found = await manager.search("financial_standards", "card security codes", 3)
    assert found[0][0].key == "standard:pci-dss"
    status = await manager.status()
    assert status.is_degraded
    assert "test" in status.why
    with pytest.raises(UpstreamError):
        await manager.add_documents("domain_knowledge", DOCS)


@pytest.mark.skipif(not HAS_CLIENT, reason="qdrant-client is not installed")
async def test_an_unreachable_server_degrades_as_well(tmp_path: Path, unused_tcp_port: int) -> None:
    settings = Settings(data_dir=tmp_path, qdrant_url=f"http://127.0.0.1:{unused_tcp_port}", _env_file=None)
    manager = get_knowledge_db(settings, allow_download=False)
    found = await manager.search("mapping_patterns", "cents to decimal amount", 3)
    assert found[0][0].key == "pattern:cents-to-decimal"
    assert (await manager.status()).is_degraded


@pytest.mark.skipif(not HAS_CLIENT, reason="qdrant-client is not installed")
async def test_a_server_that_went_away_is_left_alone_for_a_while(tmp_path: Path) -> None:
    calls = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    settings = Settings(data_dir=tmp_path, qdrant_url=f"http://127.0.0.1:{address[1]}", _env_file=None)
    chosen = choose_embedder(settings, allow_download=False)
    manager = KnowledgeDBManager(lambda: open_store(settings, chosen))
    assert await manager.search("mapping_patterns", "cents to decimal amount", 3)
    asked = calls
    assert asked
    for _ in range(5):
        assert await manager.search("mapping_patterns", "cents to decimal amount", 3)
        with pytest.raises(UpstreamError, match="does not answer"):
            await manager.add_documents("mapping_patterns", DOCS)
    assert calls == asked
    await manager.aclose()
    server.close()


@needs_edge
async def test_a_second_process_is_told_that_the_store_is_taken(tmp_path: Path) -> None:
    import asyncio
    import sys

    first = edge(tmp_path)
    await first.add_documents("domain_knowledge", DOCS)
    code = (
        "import sys\nfrom pathlib import Path\nfrom vitesse_graph.knowledge.engine_edge import EdgeEngine\n"
        "from vitesse_graph.errors import UpstreamError\n"
        "try:\n    EdgeEngine(Path(sys.argv[1])).count('domain_knowledge--lexical-768-v1--2')\n"
        "except UpstreamError as error:\n    print(error)\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert b"another process has it open" in output
    await first.aclose()


def test_one_manager_serves_equal_settings(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, _env_file=None)
    assert get_knowledge_db(settings) is get_knowledge_db(settings.model_copy())


@pytest.mark.skipif(importlib.util.find_spec("fastembed") is None, reason="fastembed is not installed")
def test_a_configured_model_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="VITESSE_EMBEDDING_MODEL_PATH"):
        choose_embedder(
            Settings(data_dir=tmp_path, embedding_model_path=tmp_path / "nothing", _env_file=None)
        )


@pytest.mark.skipif(importlib.util.find_spec("fastembed") is None, reason="fastembed is not installed")
def test_without_a_model_words_serve_and_the_reason_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    chosen = choose_embedder(Settings(data_dir=tmp_path, embedding_model_path=None, _env_file=None))
    assert chosen.embedder.name.startswith("lexical")
    assert "VITESSE_EMBEDDING_MODEL_PATH" in chosen.why


@needs_edge
@needs_model
async def test_the_model_finds_what_shares_no_word(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, embedding_model_path=MODEL, _env_file=None)
    db, why = open_store(settings, choose_embedder(settings))
    assert str(MODEL) in why
    assert db.embedder_name == "all-minilm-l6-v2-384"
    await db.add_documents("domain_knowledge", DOCS)
    found = await db.search("domain_knowledge", "mass mailing to fans", 1)
    assert found[0][0].key == "b"
    await db.aclose()
