"""The OpenAPI document shows every call by an example, and every example is what the document says."""

from __future__ import annotations

import pytest
from jsonschema_rs import validate

from countermark.core.settings import Settings
from countermark.service.api.examples import recorded
from countermark.service.app import create_app
from countermark.service.models import ScreeningJob, VerificationJob
from countermark.service.options import ServiceSettings


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict:
    return create_app(Settings(home=tmp_path_factory.mktemp("home")), ServiceSettings()).openapi()


def json_bodies(document: dict) -> list[tuple[str, dict]]:
    """All JSON bodies of requests and of good answers, by the name of the call."""
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts = [operation.get("requestBody", {})]
            parts += [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            contents = [part.get("content", {}).get("application/json") for part in parts]
            found += [(f"{method.upper()} {path}", body) for body in contents if body is not None]
    return found


def test_every_json_body_has_an_example_that_fits_its_schema(document):
    bodies = json_bodies(document)
    assert len(bodies) > 50
    for call, body in bodies:
        if call.startswith("POST /v1/videos/characters"):
            continue  # never answered with anything but an error
        examples = [body["example"]] if "example" in body else [each["value"] for each in body["examples"].values()]
        assert examples, call
        schema = body["schema"] | {"components": document["components"]}
        for example in examples:
            validate(schema, example)


def test_every_parameter_in_a_path_has_one(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    validate(parameter["schema"], parameter["example"])
                    assert f"{{{parameter['name']}}}" in path


@pytest.mark.parametrize(("name", "kind"), [("verifications", VerificationJob), ("screenings", ScreeningJob)])
def test_recorded_examinations_say_what_they_would_say_now(name, kind):
    """Most sentences are made from codes and facts: read in and out again, an example has those of today."""
    for call in (f"POST /v1/{name}", f"GET /v1/{name}/{{job_id}}"):
        answer = recorded()["calls"][call]["response"]
        assert kind.model_validate(answer).model_dump(mode="json") == answer
