"""Texts that name one thing: ids, numbers of documents, codes, web addresses."""

from __future__ import annotations

import re
import uuid
from base64 import b32encode

from vitesse_graph.state.jsontypes import JsonSchema
from vitesse_graph.synthetic.draw import Draw, Generate
from vitesse_graph.synthetic.material import Pools
from vitesse_graph.synthetic.meaning import example_of, words

_SUFFIX = re.compile(r"_?(id|gid|sid|uid|ids|key|ref|number|no|code|reference)$")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PICTURE = re.compile(r"(^|_)(image|logo|icon|photo|picture|thumbnail|avatar|img)s?(_|$)")
_SITE = re.compile(r"^(url|uri|href|link|website|web_?site|homepage|web|company_url|domain_url)$")


def token(draw: Draw, length: int) -> str:
    """Random lower-case letters and digits."""
    return b32encode(draw.rng.randbytes(length * 5 // 8 + 1)).decode()[:length].lower()


def identifier(name: str, parent: str, schema: JsonSchema) -> Generate:
    """Like the schema's example where it has one; else `cus_…` for ids, `INV-04821` for numbers, `B7K2` for codes."""
    example = example_of(schema)
    if isinstance(example, str) and 3 <= len(example) <= 80 and re.search(r"\d", example):
        return like(example)
    plain = words(name)
    stem = _SUFFIX.sub("", plain) or _SUFFIX.sub("", words(parent))
    low = int(schema.get("minLength", 0) or 0)
    high = int(schema.get("maxLength", 0) or 0)
    if low <= 8 and (not high or high >= 9):
        if plain.endswith(("number", "_no")):
            head = stem[:3].upper()
            return lambda draw: (
                f"{head}-{int(draw.random() * 90_000) + 10_000}"
                if head
                else str(int(draw.random() * 90_000) + 10_000)
            )
        if plain.endswith("code"):
            return lambda draw: token(draw, 5).upper()
    prefix = f"{stem[:3]}_" if stem else ""
    length = max(low, min(high, 17) if high else 17)
    if length <= len(prefix) + 3:
        prefix = ""
    return lambda draw: prefix + token(draw, length - len(prefix))


def like(example: str) -> Generate:
    """Texts of the example's shape: its leading word stays, digits and letters behind it vary."""
    if _UUID.fullmatch(example):
        return lambda draw: str(uuid.UUID(int=draw.rng.getrandbits(128), version=4))
    found = re.match(r"[A-Za-z]{2,8}[_\-:/]", example)
    head = found[0] if found else ""
    tail = example[len(head) :]
    is_hex = bool(re.fullmatch(r"[0-9a-fA-F-]+", tail))

    def generate(draw: Draw) -> str:
        out = []
        for character in tail:
            if character.isdigit():
                out.append(str(int(draw.random() * 10)))
            elif character.isascii() and character.isalpha():
                alphabet = "abcdef" if is_hex else "abcdefghijklmnopqrstuvwxyz"
                letter = alphabet[int(draw.random() * len(alphabet))]
                out.append(letter.upper() if character.isupper() else letter)
            else:
                out.append(character)
        return head + "".join(out)

    return generate


def address_generator(name: str, parent: str, material: Pools) -> Generate:
    """A web site for `website`; a page of it, or a picture, for `comments_url` and `avatar`."""
    plain = words(name)
    hosts, count = material.host, len(material.host)
    if _PICTURE.search(plain) or _PICTURE.search(words(parent)):
        return lambda draw: f"https://cdn.{hosts[draw.who % count]}/{token(draw, 8)}.png"
    if _SITE.search(plain):
        pages = material.url
        return lambda draw: pages[draw.who % count]
    page = re.sub(r"_?(url|uri|href|link|links)$", "", plain).replace("_", "-") or "page"
    return lambda draw: f"https://www.{hosts[draw.who % count]}/{page}/{token(draw, 6)}"
