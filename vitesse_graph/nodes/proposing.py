"""How a mapping comes about: the matcher, with what experience, an embedding model and a language
model can add where they are at hand. Without any of them it is the matcher alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from vitesse_graph.knowledge import LearnedPattern
from vitesse_graph.mapping import Embed, ModelOptions, Refined, map_fields, refine_with_model
from vitesse_graph.settings import Settings
from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.state.mapping import Finding, MappingHint, MappingLogic


async def propose_mapping(
    settings: Settings,
    source_schema: JsonSchema,
    dest_schema: JsonSchema,
    *,
    intent: str = "",
    source_name: str = "",
    dest_name: str = "",
    hints: Sequence[MappingHint] = (),
    previous: MappingLogic | None = None,
    findings: Sequence[Finding] = (),
    patterns: Sequence[LearnedPattern] = (),
) -> Refined:
    """The mapping and what a language model cost (`calls` is 0 without one).

    Raises InputError where an embedding model is configured and cannot be used.
    """
    mapping = await asyncio.to_thread(
        map_fields,
        source_schema,
        dest_schema,
        intent=intent,
        source_name=source_name,
        dest_name=dest_name,
        hints=hints,
        previous=previous,
        findings=findings,
        patterns=patterns,
        embed=await asyncio.to_thread(embedding_model, settings),
    )
    if settings.openai_api_key is None:
        return Refined(mapping)
    options = ModelOptions(
        model=settings.llm_model,
        api_key=settings.openai_api_key,
        base_url=settings.openai_base_url,
        timeout_seconds=settings.llm_timeout_seconds,
    )
    return await refine_with_model(mapping, source_schema, dest_schema, options=options, intent=intent)


def usage_of(refined: Refined) -> dict[str, Any]:
    """What asking a language model cost, for the whiteboard and the audit log; {} when none was asked."""
    if not refined.calls:
        return {}
    return {
        "language_model": {
            "calls": refined.calls,
            "input_tokens": refined.input_tokens,
            "output_tokens": refined.output_tokens,
            "seconds": round(refined.seconds, 3),
            "changed": refined.changed[:40],
            "note": refined.note,
        }
    }


def embedding_model(settings: Settings) -> Embed | None:
    """Texts to vectors by the model at the configured path or in the cache; None where there is none.

    Blocks for a second at the first call; never downloads. Raises InputError for an unusable path.
    """
    path = settings.embedding_model_path
    return _model(str(path) if path is not None else None, settings.data_dir)


@lru_cache(maxsize=2)
def _model(path: str | None, data_dir: Path) -> Embed | None:
    if path is None and not (data_dir / "models").exists():
        return None
    from vitesse_graph.knowledge.embedders import ModelEmbedder, choose_embedder

    settings = Settings(data_dir=data_dir, embedding_model_path=path)
    embedder = choose_embedder(settings, allow_download=False).embedder
    if not isinstance(embedder, ModelEmbedder):
        return None

    def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [row.tolist() for row in embedder.embed(texts)]

    return embed
