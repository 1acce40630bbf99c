"""A local server that speaks the OpenAI protocol, for tests of what a language model may add."""

import asyncio
import json
from contextlib import asynccontextmanager

from aiohttp import web
from pydantic import SecretStr

from vitesse_graph.language_model import ModelOptions

KEY = "sk-canary-4711"


@asynccontextmanager
async def serving(answer):
    """A server whose answer `answer(request body)` gives: arguments of the tool call, text, or a response."""
    seen = []

    async def complete(request):
        body = await request.json()
        seen.append((dict(request.headers), body))
        given = answer(body)
        if asyncio.iscoroutine(given):
            given = await given
        if isinstance(given, web.Response):
            return given
        return web.json_response(completion(body, given))

    app = web.Application()
    app.router.add_post("/v1/chat/completions", complete)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    try:
        yield ModelOptions("test-model", SecretStr(KEY), f"http://127.0.0.1:{port}/v1", 3.0), seen
    finally:
        await runner.cleanup()


def completion(body, given):
    call = {
        "id": "c1",
        "type": "function",
        "function": {
            "name": body["tools"][0]["function"]["name"],
            "arguments": given if isinstance(given, str) else json.dumps(given),
        },
    }
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
            }
        ],
        "usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150},
    }
