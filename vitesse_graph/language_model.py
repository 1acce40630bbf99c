"""One question to the optional language model, with an answer of a given shape.

Any server that speaks the OpenAI protocol will do. What a model says is checked by whoever asked;
here it is only made sure that it has the shape, came in time, and what it cost.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

from pydantic import BaseModel, SecretStr

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How to reach the model."""

    model: str
    api_key: SecretStr
    base_url: str | None = None
    timeout_seconds: float = 30.0


@dataclass(slots=True)
class Cost:
    """What asking took; adds up over several questions."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0


async def ask_model(
    messages: list[tuple[str, str]], shape: type[Answer], options: ModelOptions, cost: Cost
) -> Answer:
    """One call. Raises whatever the client raises, TimeoutError, and ValueError for an answer that is none."""
    started = time.perf_counter()
    try:
        # its import is slow, and no fault of the model's
        await asyncio.to_thread(import_module, "langchain_openai")
        async with asyncio.timeout(options.timeout_seconds):
            return await _ask(messages, shape, options, cost)
    finally:
        cost.seconds += time.perf_counter() - started


async def _ask(
    messages: list[tuple[str, str]], shape: type[Answer], options: ModelOptions, cost: Cost
) -> Answer:
    import httpx
    from langchain_openai import ChatOpenAI

    # The library would keep a client, and with it its connections, for as long as the process lives.
    async with httpx.AsyncClient(timeout=options.timeout_seconds) as http:
        client = ChatOpenAI(
            model=options.model,
            api_key=options.api_key,
            base_url=options.base_url,
            timeout=options.timeout_seconds,
            max_retries=1,
            temperature=0,
            http_async_client=http,
        )
        cost.calls += 1
        runnable = client.with_structured_output(shape, method="function_calling", include_raw=True)
        answer = await runnable.ainvoke(messages)
    if not isinstance(answer, dict):
        raise ValueError("no structured answer")
    usage = getattr(answer.get("raw"), "usage_metadata", None) or {}
    cost.input_tokens += int(usage.get("input_tokens", 0))
    cost.output_tokens += int(usage.get("output_tokens", 0))
    parsed = answer.get("parsed")
    if not isinstance(parsed, shape):
        raise ValueError("malformed answer")
    return parsed
