"""The OpenAPI document."""
from __future__ import annotations
def document() -> dict[str, object]:
    return {"openapi": "3.1.0"}
