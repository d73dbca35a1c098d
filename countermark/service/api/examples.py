"""Examples in the OpenAPI document: requests and answers of a running service, with long lists cut short.

They are data (``examples.json``), and a test holds each against the schema that the document gives for it. Those of a
video and its examinations are recorded by ``tests/e2e/service/record_examples.py``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("examples.json")


@cache
def recorded() -> dict[str, Any]:
    """``parameters`` by name, and ``calls`` by method and path, with a ``response`` and, if JSON, a ``request``."""
    examples: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return examples


def illustrate(document: dict[str, Any]) -> None:
    """Put the examples into an OpenAPI document; where it has several of its own, in place of the first."""
    examples = recorded()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in examples["parameters"]:
                    parameter["example"] = examples["parameters"][parameter["name"]]
            call = examples["calls"].get(f"{method.upper()} {path}", {})
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None and "request" in call:
                if "examples" in body:
                    next(iter(body["examples"].values()))["value"] = call["request"]
                else:
                    body["example"] = call["request"]
            for status in ("200", "202"):
                content = operation["responses"].get(status, {}).get("content", {}).get("application/json")
                if content is not None and "response" in call:
                    content["example"] = call["response"]
