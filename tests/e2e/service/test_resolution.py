"""The C2PA Soft Binding Resolution API of a running service, as a client finds it: from the domain on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import c2pa
import pytest
from running_service import Server, secret

from countermark.core.media import transcode

DISCOVERY = "/.well-known/c2pa-soft-binding-resolution"
MANIFEST = {"content-type": "application/c2pa"}


@pytest.fixture(scope="module")
def registrar(closed) -> Server:
    """The closed server, for a holder of a key that may store."""
    return replace(closed, key=secret(closed, "archive", "--scope", "register"))


def stored(server: Server, data: bytes, query: str = "") -> dict:
    answer = server.call("POST", f"/c2pa/v1/manifests{query}", data, headers=MANIFEST)
    assert answer.status == 200, answer.body
    return answer.json


def found(server: Server, value: str) -> list[str]:
    answer = server.call("GET", f"/c2pa/v1/matches/byBinding?alg=com.example.any&value={value}")
    assert answer.status == 200
    return [match["manifestId"] for match in answer.json["matches"]]


def test_a_stripped_copy_leads_back_to_its_manifest(server, sealed, tmp_path):
    endpoint = server.call("GET", DISCOVERY).json["apiEndpoint"]
    assert endpoint == f"{server.url}/c2pa/v1"
    original, copy = tmp_path / "original.mp4", tmp_path / "copy.mp4"
    original.write_bytes(sealed[1])
    transcode(original, copy, crf=26)
    answer = server.call("POST", "/c2pa/v1/matches/byContent", copy.read_bytes())
    (match,) = answer.json["matches"]
    record = server.call("GET", f"/v1/videos/{sealed[0]}").json["countermark"]
    assert match == {"manifestId": record["manifest_id"]}
    manifest = server.call("GET", f"/c2pa/v1/manifests/{match['manifestId']}")
    assert manifest.headers["content-type"] == "application/c2pa"
    assert c2pa.Reader("video/mp4", original.open("rb")).get_active_manifest()["label"] == match["manifestId"]
    (algorithm,) = server.call("GET", "/c2pa/v1/services/supportedAlgorithms").json["watermarks"]
    body = {"alg": algorithm["alg"], "value": record["video_id"]}
    assert server.call("POST", "/c2pa/v1/matches/byBinding", body).json["matches"] == [match]


def test_discovery_documents_agree(registrar):
    stranger = replace(registrar, key=None)
    root = stranger.call("GET", DISCOVERY).json
    get = partial(stranger.call, "GET")
    capabilities = get(root["capabilitiesEndpoint"].removeprefix(stranger.url)).json
    assert capabilities["c2paSpecificationVersion"] == root["c2paSpecificationVersion"]
    assert {"queryByContent", "storeManifests", "storeBindings"} <= set(capabilities["supportedCapabilities"])
    assert get(root["statusEndpoint"].removeprefix(stranger.url)).json["status"] == "ok"


def test_manifests_are_stored_fetched_and_removed(registrar):
    first = stored(registrar, b"fixture 1", "?returnReceipt=true")
    path = f"/c2pa/v1/manifests/{first['manifestId']}"
    assert replace(registrar, key=None).call("GET", path).body == b"fixture 1"
    receipt = registrar.call("GET", f"{path}/receipts").json
    assert receipt == first["receipt"] | {"verified": True}
    assert receipt["repository"]["manifestId"] == first["manifestId"]
    assert registrar.call("POST", f"{path}/receipts", receipt).json["verified"] is True
    assert registrar.call("DELETE", path).status == 204
    gone = registrar.call("GET", path)
    assert (gone.status, set(gone.json)) == (404, {"error"})


def test_a_value_is_bound_found_and_led_elsewhere(registrar):
    first, second = (stored(registrar, data)["manifestId"] for data in (b"fixture 2", b"fixture 3"))
    body = {"bindingValue": "dmFsdWU", "manifestId": first}
    assert registrar.call("POST", "/c2pa/v1/bindings", body).status == 204
    assert found(registrar, "dmFsdWU") == [first]
    assert registrar.call("PUT", "/c2pa/v1/bindings", body | {"manifestId": second}).status == 204
    assert found(registrar, "dmFsdWU") == [second]
    unknown = body | {"manifestId": "urn:c2pa:none"}
    assert registrar.call("POST", "/c2pa/v1/bindings", unknown).status == 404


def test_storing_needs_a_key_that_was_made_for_it(closed, server):
    store = {"method": "POST", "path": "/c2pa/v1/manifests", "body": b"x", "headers": MANIFEST}
    for asker in (server, replace(closed, key=None), replace(closed, key="cm-garbage")):
        answer = asker.call(**store)
        assert (answer.status, set(answer.json)) == (401, {"error"})
        assert answer.headers["www-authenticate"] == "Bearer"
    assert replace(closed, key=None).call("DELETE", "/c2pa/v1/manifests/urn:c2pa:x").status == 401
    assert closed.call(**store).status == 403  # an ordinary key, which has every verb


def test_looking_at_videos_needs_a_key_and_has_the_services_limit(closed):
    look = partial(closed.call, "POST", "/c2pa/v1/matches/byContent")
    assert replace(closed, key=None).call("POST", "/c2pa/v1/matches/byContent", b"x").status == 401
    assert look(bytes(100_001)).status == 413
    assert look(b"no video").status == 415
    refused = closed.call(
        "POST", "/c2pa/v1/matches/byReference", {"referenceUrl": "https://example.com/a.mp4", "assetLength": 1}
    )
    assert refused.status == 403
    assert list((closed.home / "service" / ".incoming").iterdir()) == []
