"""What helps a mapping where it is at hand: an embedding model, and a language model for what is uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vitesse_graph.mapping import ModelOptions, Refined, refine_with_model
from vitesse_graph.mapping.likenesses import Embed
from vitesse_graph.settings import Settings
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import MappingLogic


def embed_for(settings: Settings) -> Embed | None:
    """Texts → vectors by the configured model; None where none is. Blocks while the model is read.

    Raises InputError where a path is configured that holds no model. Nothing is downloaded.
    """
    return None if settings.embedding_model_path is None else _embed_at(str(settings.embedding_model_path))


@lru_cache(maxsize=1)
def _embed_at(path: str) -> Embed:
    from pathlib import Path

    from vitesse_graph.knowledge.embedders import choose_embedder
    from vitesse_graph.settings import get_settings

    settings = get_settings().model_copy(update={"embedding_model_path": Path(path)})
    embedder = choose_embedder(settings, allow_download=False).embedder

    def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        rows: list[list[float]] = embedder.embed(texts).tolist()
        return rows

    return embed


async def refine(
    mapping: MappingLogic,
    source_schema: JsonSchema,
    dest_schema: JsonSchema,
    settings: Settings,
    intent: str,
) -> Refined:
    """The mapping after the configured language model was asked; as it is where none is configured."""
    if settings.openai_api_key is None:
        return Refined(mapping)
    options = ModelOptions(
        settings.llm_model, settings.openai_api_key, settings.openai_base_url, settings.llm_timeout_seconds
    )
    return await refine_with_model(mapping, source_schema, dest_schema, options=options, intent=intent)
