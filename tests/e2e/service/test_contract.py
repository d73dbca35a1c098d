"""Requests made up from the OpenAPI document, right and wrong: no 5xx, and no answer that the document does not allow."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from running_service import Server, secret, serving
from schemathesis import checks


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Iterator[Server]:
    """A server whose worker has nothing to wait for."""
    variables = {"COUNTERMARK_SERVICE_WAIT_SECONDS": "0", "COUNTERMARK_SERVICE_QUEUE_LIMIT": "100000"}
    with serving(tmp_path_factory.mktemp("contract") / "home", **variables) as server:
        server.key = secret(server, "tester")
        yield server


@pytest.fixture
def api(asked):
    document = schemathesis.openapi.from_url(f"{asked.url}/openapi.json")
    # A followed job ends only when it is finished, which made-up waiting does not reach.
    return document.exclude(path_regex="/events$")


schema = schemathesis.pytest.from_fixture("api")


@schema.parametrize()
@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_one_that_the_document_allows(case, asked):
    case.call_and_validate(
        headers={"authorization": f"Bearer {asked.key}"},
        # What is valid by its form may be refused for its meaning: a prompt, a model, a video that is not there.
        excluded_checks=[checks.positive_data_acceptance, checks.ignored_auth],
        timeout=60,
    )
