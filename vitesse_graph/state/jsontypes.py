"""JSON as Python sees it, named once.

`JsonSchema` is a JSON Schema 2020-12 object (whatever dialect the vendor wrote was translated on
the way in): `type` may be a list, null is a type, `$ref` points only to `#/$defs/...` inside the
same object.
"""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]
JsonSchema = dict[str, Any]
