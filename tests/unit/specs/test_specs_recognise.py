"""What a document is, and what it looks like when it is something else."""

from __future__ import annotations

from typing import Any

import pytest

from vitesse_graph.errors import SpecError
from vitesse_graph.specs.recognise import looks_like_text, spec_format


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"openapi": "3.0.3", "paths": {}}, "openapi-3.0.3"),
        ({"openapi": "3.1.0", "webhooks": {}}, "openapi-3.1.0"),
        ({"openapi": "3.2.0", "components": {}}, "openapi-3.2.0"),
        ({"openapi": 3.0, "paths": {}}, "openapi-3.0"),
        ({"swagger": "2.0", "paths": {}}, "swagger-2.0"),
        ({"swagger": 2.0, "paths": {}}, "swagger-2.0"),
        ({"info": {}, "paths": {}, "definitions": {}}, "swagger-2.0"),
        ({"info": {}, "paths": {}}, "openapi-3.0.0"),
    ],
)
def test_every_version_is_recognised(tree: Any, expected: str) -> None:
    assert spec_format(tree, "doc") == expected


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"asyncapi": "2.6.0", "channels": {}}, "AsyncAPI"),
        ({"swaggerVersion": "1.2", "apis": []}, r"Swagger 1\.x"),
        ({"swagger": "1.2", "apis": []}, r"Swagger 1\.2"),
        ({"info": {"_postman_id": "x"}, "item": []}, "Postman"),
        ({"data": {"__schema": {}}}, "GraphQL|JSON answer"),
        ({"__schema": {}}, "GraphQL"),
        ({"overlay": "1.0.0", "actions": []}, "Overlay"),
        ({"apiVersion": "v1", "kind": "Pod"}, "Kubernetes"),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema"}, "JSON Schema"),
        ({"message": "Unauthorized"}, "error answer"),
        ({"openapi": "3.0.0", "info": {}}, "neither paths nor webhooks"),
        ([], "empty"),
        (None, "empty"),
        ([1], "array"),
        ("hello", "plain text"),
        ({"x": 1, "y": 2}, r"its keys: x, y"),
    ],
)
def test_what_is_no_specification_is_refused_in_one_line(tree: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words) as refused:
        spec_format(tree, "doc")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!DOCTYPE html><html><form>Password</form></html>", "log in"),
        ("<html><body>Hi</body></html>", "HTML"),
        ("<?xml version='1.0'?><wsdl:definitions/>", "WSDL"),
        ("<?xml version='1.0'?><feed/>", "XML"),
        ("type Query {\n  me: User\n}", "GraphQL"),
        ('syntax = "proto3";', "protocol buffers"),
        ("#%RAML 1.0\ntitle: x", "RAML"),
        ("FORMAT: 1A\n# API", "Blueprint"),
        ("", "empty"),
    ],
)
def test_texts_are_named_for_what_they_are(text: str, words: str) -> None:
    assert words in looks_like_text(text)
