"""The Soft Binding Resolution API, over the registry of a video that was really sealed."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from drawn_clip import ORIGIN, SPEC, Case, draw
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import func, select, update

from countermark.core.media import VideoWriter, transcode
from countermark.core.settings import Settings
from provenance import fetching, resolution
from provenance.bmff import MalformedBoxError, active_manifest_id, only_active
from provenance.fetching import FetchError, fetch, public_address
from provenance.fingerprint import FINGERPRINT_ID
from provenance.registry import open_registry
from provenance.repository import Repository
from provenance.resolution import bearer_tokens, discovery_router, resolution_router
from provenance.seal import seal
from provenance.tables import BindingRow, StoredManifestRow
from provenance.watermark import ALGORITHM_ID

WRITER = {"Authorization": "Bearer writer"}
TOKENS = {"writer": frozenset({"store:manifests", "store:bindings"}), "binder": frozenset({"store:bindings"})}


def client_for(settings: Settings) -> TestClient:
    app = FastAPI()
    app.include_router(resolution_router(settings, authorize=bearer_tokens(TOKENS)), prefix="/v1")
    app.include_router(discovery_router("/v1"))
    return TestClient(app)


@pytest.fixture
def client(settings: Settings) -> TestClient:
    return client_for(settings)


@pytest.fixture
def owner(case: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(resolution, "extract", partial(resolution.extract, isolated=False, search=False))
    monkeypatch.setattr(resolution, "queries", partial(resolution.queries, isolated=False))
    return client_for(case.settings)


def store(client: TestClient, data: bytes = b"somebody's manifest", query: str = "") -> dict:
    headers = WRITER | {"Content-Type": "application/c2pa"}
    answer = client.post(f"/v1/manifests{query}", content=data, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_path_of_the_api_is_there(client: TestClient) -> None:
    paths = {
        path.removeprefix("/v1"): set(methods) for path, methods in client.get("/openapi.json").json()["paths"].items()
    }
    assert paths == {
        "/matches/byBinding": {"get", "post"},
        "/matches/byContent": {"post"},
        "/matches/byReference": {"post"},
        "/manifests": {"post"},
        "/manifests/{manifest_id}": {"get", "delete"},
        "/manifests/{manifest_id}/receipts": {"get", "post"},
        "/bindings": {"post", "put"},
        "/services/supportedAlgorithms": {"get"},
        "/services/capabilities": {"get"},
        "/services/status": {"get"},
        "/.well-known/c2pa-soft-binding-resolution": {"get"},
    }


def test_discovery_documents_agree(client: TestClient) -> None:
    found = client.get("/.well-known/c2pa-soft-binding-resolution").json()
    assert found["apiEndpoint"] == "http://testserver/v1"
    capabilities = client.get(found["capabilitiesEndpoint"]).json()
    assert capabilities == {
        "c2paSpecificationVersion": found["c2paSpecificationVersion"],
        "supportedCapabilities": ["queryByContent", "storeManifests", "storeBindings"],
    }
    status = client.get(found["statusEndpoint"]).json()
    assert (status["status"], status["log"]["size"]) == ("ok", 0)
    assert client.get("/v1/services/supportedAlgorithms").json()["watermarks"] == [{"alg": ALGORITHM_ID}]


def test_damaged_registry_is_a_status(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "registry.db").write_bytes(b"junk" * 1000)
    client = client_for(settings)
    assert client.get("/v1/services/status").json()["status"] == "down"
    answer = client.get("/v1/manifests/urn:c2pa:x")
    assert answer.status_code == 500
    assert "error" in answer.json()


def test_sealed_video_is_found_by_its_watermarks_value(case: Case, owner: TestClient) -> None:
    sealed = case.sealed
    values = [base64.b64encode(bytes.fromhex(sealed.video_id)).decode(), sealed.video_id]
    for value in (*values, base64.b64encode(sealed.video_id.encode()).decode()):
        answer = owner.get("/v1/matches/byBinding", params={"alg": ALGORITHM_ID, "value": value})
        assert answer.json() == {"matches": [{"manifestId": sealed.manifest_id}]}
        answer = owner.post("/v1/matches/byBinding", json={"alg": ALGORITHM_ID, "value": value})
        assert answer.json() == {"matches": [{"manifestId": sealed.manifest_id}]}
    other = {"alg": "com.example.other", "value": values[0]}
    assert owner.get("/v1/matches/byBinding", params=other).json() == {"matches": []}
    fetched = owner.get(f"/v1/manifests/{sealed.manifest_id}")
    assert fetched.headers["content-type"] == "application/c2pa"
    with open_registry(case.settings) as registry:
        assert fetched.content == registry.manifest(sealed.video_id)


def test_stripped_video_in_manifest_out(case: Case, owner: TestClient, plain: Path, tmp_path: Path) -> None:
    path = tmp_path / "transcoded.mp4"
    transcode(case.sealed.path, path, crf=28)
    post = partial(owner.post, "/v1/matches/byContent", headers={"Content-Type": "video/mp4"})
    assert post(content=path.read_bytes()).json() == {"matches": [{"manifestId": case.sealed.manifest_id}]}
    # The same pictures, never marked: found by their looks, with a score.
    alike = {"manifestId": case.sealed.manifest_id, "similarityScore": 100}
    assert post(content=plain.read_bytes()).json()["matches"][0] == alike
    other = tmp_path / "other.mp4"
    with VideoWriter(other, SPEC) as writer:
        for frames in draw():
            writer.write(frames.with_luma(np.ascontiguousarray(frames.luma[:, ::-1])))
    looks = {"alg": FINGERPRINT_ID}  # the watermark is not asked then
    assert post(content=path.read_bytes(), params=looks).json()["matches"][0].keys() == alike.keys()
    assert post(content=other.read_bytes(), params=looks).json() == {"matches": []}
    hint = {"hintAlg": ALGORITHM_ID, "hintValue": base64.b64encode(bytes.fromhex(case.sealed.video_id)).decode()}
    found = post(content=plain.read_bytes(), params=hint | {"alg": ALGORITHM_ID}).json()  # nor are the looks here
    assert found == {"matches": [{"manifestId": case.sealed.manifest_id}]}
    assert post(content=b"no video").status_code == 415
    assert post(content=b"").status_code == 400
    assert post(content=b"x", params={"alg": "com.example.other"}).status_code == 400
    assert owner.post("/v1/matches/byContent", content=b"x", headers={"Content-Type": "image/png"}).status_code == 415


def test_a_stripped_picture_leads_to_its_manifest(settings: Settings, tmp_path: Path) -> None:
    picture = next(draw())[:1]
    sealed = seal([picture], SPEC, tmp_path / "sealed.png", origin=ORIGIN, settings=settings)
    client = client_for(settings)
    for kind, name in (("image/png", "copy.png"), ("image/jpeg", "copy.jpg"), ("image/webp", "copy.webp")):
        with Image.open(sealed.path) as image:
            image.convert("RGB").save(tmp_path / name, quality=90)
        answer = client.post(
            "/v1/matches/byContent", content=(tmp_path / name).read_bytes(), headers={"Content-Type": kind}
        )
        assert answer.json() == {"matches": [{"manifestId": sealed.manifest_id}]}, name
    for kind in ("audio/mpeg", "text/plain", "model/gltf+json"):
        answer = client.post("/v1/matches/byContent", content=b"x", headers={"Content-Type": kind})
        assert answer.status_code == 415


def test_uploads_have_a_limit(settings: Settings) -> None:
    client = client_for(settings.model_copy(update={"max_bytes": 1000}))
    answer = client.post("/v1/matches/byContent", content=bytes(1001), headers={"Content-Type": "video/mp4"})
    assert answer.status_code == 413
    long = client.post("/v1/matches/byBinding", json={"alg": "x" * 2**20, "value": "x"})
    assert (long.status_code, "1048576 bytes" in long.json()["error"]) == (413, True)


def test_store_fetch_receipt_and_delete(client: TestClient, settings: Settings) -> None:
    made = store(client, query="?returnReceipt=true")
    manifest_id, receipt = made["manifestId"], made["receipt"]
    assert client.get(f"/v1/manifests/{manifest_id}").content == b"somebody's manifest"
    assert receipt["@type"] == "org.c2pa.manifest-receipt"
    assert receipt["repository"] == {"uri": "http://testserver/v1", "manifestId": manifest_id}
    path = f"/v1/manifests/{manifest_id}/receipts"
    assert client.get(path).json() == receipt | {"verified": True}
    assert client.post(path, json=receipt).json() == receipt | {"verified": True}
    forged = receipt | {"anchor": receipt["anchor"] | {"proof": {"alg": "x", "value": "y"}}}
    other = receipt | {"repository": receipt["repository"] | {"manifestId": "urn:c2pa:other"}}
    for wrong, why in ((forged, "proof"), (other, "another manifest")):
        answer = client.post(path, json=wrong | {"verified": True}).json()
        assert (answer["verified"], why in answer["error"]) == (False, True)
    for malformed in ({}, receipt | {"repository": "x"}, receipt | {"anchor": 1}, receipt | {"@type": "x"}):
        answer = client.post(path, json=malformed)
        assert (answer.status_code, set(answer.json())) == (400, {"error"})
    assert client.delete(f"/v1/manifests/{manifest_id}", headers=WRITER).status_code == 204
    for answer in (client.get(f"/v1/manifests/{manifest_id}"), client.get(path), client.post(path, json=receipt)):
        assert answer.status_code == 404
        assert manifest_id in answer.json()["error"]
    assert client.delete(f"/v1/manifests/{manifest_id}", headers=WRITER).status_code == 404
    with open_registry(settings) as registry:
        assert registry.audit().problems == ()
        assert registry.head().size == 2


def test_a_receipt_does_not_hold_for_a_manifest_that_was_changed_here(client: TestClient, settings: Settings) -> None:
    manifest_id = store(client)["manifestId"]
    with open_registry(settings) as registry, registry.session("written") as session:
        session.execute(update(StoredManifestRow).values(store=b"another manifest"))
        session.commit()
    answer = client.get(f"/v1/manifests/{manifest_id}/receipts").json()
    assert (answer["verified"], "not the one that the log says" in answer["error"]) == (False, True)


def test_the_active_manifest_is_to_be_had_alone(case: Case, owner: TestClient, client: TestClient) -> None:
    path = f"/v1/manifests/{case.sealed.manifest_id}"
    whole = owner.get(path).content
    assert owner.get(path, params={"returnActiveManifest": False}).content == whole
    # A store of two: the same manifest under another name first, as an ingredient would be.
    older = whole.replace(case.sealed.manifest_id.encode(), b"urn:c2pa:" + b"0" * 36)
    both = joined(older, whole)
    assert store(client, both)["manifestId"] == case.sealed.manifest_id
    assert client.get(path).content == both
    alone = client.get(path, params={"returnActiveManifest": True})
    assert (alone.content, alone.headers["content-type"]) == (whole, "application/c2pa")
    opaque = store(client, b"no manifest store")["manifestId"]
    assert client.get(f"/v1/manifests/{opaque}", params={"returnActiveManifest": True}).content == b"no manifest store"


@hypothesis_settings(max_examples=200)
@given(data=st.data())
def test_a_hostile_store_is_malformed_or_shortened_to_its_active_manifest(case: Case, data: st.DataObject) -> None:
    with open_registry(case.settings) as registry:
        whole = registry.manifest(case.sealed.video_id)
    store = bytearray(joined(whole, whole))
    for _ in range(data.draw(st.integers(0, 4))):
        store[data.draw(st.integers(0, 120) | st.integers(0, len(store) - 1))] = data.draw(st.integers(0, 255))
    hostile = bytes(store[: data.draw(st.just(len(store)) | st.integers(0, len(store)))])
    try:
        alone = only_active(hostile)
    except MalformedBoxError:
        return
    assert len(alone) <= len(hostile)
    assert only_active(alone) == alone
    with suppress(MalformedBoxError):  # another box may be labelled as the store is
        assert active_manifest_id(hostile) == active_manifest_id(alone)


def joined(first: bytes, second: bytes) -> bytes:
    """The manifests of two stores in one."""
    description = 8 + int.from_bytes(first[8:12], "big")
    return (len(first) + len(second) - description).to_bytes(4, "big") + first[4:] + second[description:]


def test_real_manifest_keeps_its_own_id(case: Case, owner: TestClient, client: TestClient) -> None:
    data = owner.get(f"/v1/manifests/{case.sealed.manifest_id}").content
    assert store(client, data)["manifestId"] == case.sealed.manifest_id
    assert store(client, data)["manifestId"] == case.sealed.manifest_id  # again, and still one
    assert store(owner, data)["manifestId"] == case.sealed.manifest_id
    headers = WRITER | {"Content-Type": "application/c2pa"}
    changed = data.replace(b"test-model", b"best-model")
    for target in (owner, client):
        answer = target.post("/v1/manifests", content=changed, headers=headers)
        assert answer.status_code == 400
        assert "another manifest" in answer.json()["error"]
    receipt = owner.get(f"/v1/manifests/{case.sealed.manifest_id}/receipts").json()
    assert owner.post(f"/v1/manifests/{case.sealed.manifest_id}/receipts", json=receipt).json()["verified"] is True
    answer = owner.delete(f"/v1/manifests/{case.sealed.manifest_id}", headers=WRITER)
    assert answer.status_code == 400
    assert "sealed here" in answer.json()["error"]


def test_bindings_are_created_found_and_led_elsewhere(client: TestClient) -> None:
    first, second = store(client, b"first")["manifestId"], store(client, b"second")["manifestId"]
    body = {"bindingValue": "a value", "manifestId": first}

    def found(algorithm: str) -> list[str]:
        answer = client.get("/v1/matches/byBinding", params={"alg": algorithm, "value": "a value"})
        return [match["manifestId"] for match in answer.json()["matches"]]

    assert client.put("/v1/bindings", json=body, headers=WRITER).status_code == 404
    assert client.post("/v1/bindings", json=body, headers=WRITER).status_code == 204
    assert found("com.example.any") == [first]
    assert found(ALGORITHM_ID) == []  # nobody lays a manifest under a video of ours
    assert client.put("/v1/bindings", json=body | {"manifestId": second}, headers=WRITER).status_code == 204
    assert found("com.example.any") == [second]
    named = body | {"alg": "com.example.one"}
    assert client.post("/v1/bindings", json=named, headers=WRITER).status_code == 204
    assert found("com.example.one") == [first, second]
    assert found("com.example.any") == [second]
    assert client.post("/v1/bindings", json=body | {"alg": ALGORITHM_ID}, headers=WRITER).status_code == 400
    unknown = body | {"manifestId": "urn:c2pa:does-not-exist"}
    assert client.post("/v1/bindings", json=unknown, headers=WRITER).status_code == 404
    client.delete(f"/v1/manifests/{first}", headers=WRITER)
    assert found("com.example.one") == [second]


def test_a_binding_made_again_and_again_hides_no_other(tmp_path: Path) -> None:
    with open_registry(Settings(home=tmp_path, _env_file=None)) as registry:
        repository = Repository(registry)
        first, second = repository.store(b"first"), repository.store(b"second")
        for manifest_id in (first, second, second, second):
            repository.bind("v", manifest_id, None)
        with registry.session("written") as session:
            count = session.scalar(select(func.count()).select_from(BindingRow))
            digest = session.scalars(select(BindingRow.value_sha256)).first()
            rows = [BindingRow(value_sha256=digest, algorithm="com.example.one", manifest_id=second) for _ in range(3)]
            session.add_all(rows)  # as they could be stored once
            session.commit()
        assert count == 2
        assert [match.manifest_id for match in repository.find("com.example.one", "v", 2)] == [second, first]
        repository.bind("v", first, "com.example.one", replace=True)
        with registry.session("read") as session:
            assert session.scalar(select(func.count()).select_from(BindingRow)) == 3


def test_storing_needs_a_token_with_the_scope(client: TestClient) -> None:
    post = partial(client.post, "/v1/manifests", content=b"x")
    kind = {"Content-Type": "application/c2pa"}
    for headers in (kind, kind | {"Authorization": "Bearer junk"}, kind | {"Authorization": "Basic writer"}):
        answer = post(headers=headers)
        assert (answer.status_code, set(answer.json())) == (401, {"error"})
    assert post(headers=kind | {"Authorization": "Bearer binder"}).status_code == 403
    assert client.delete("/v1/manifests/urn:c2pa:x").status_code == 401
    assert client.post("/v1/bindings", json={"bindingValue": "v", "manifestId": "m"}).status_code == 401
    assert post(headers=WRITER | {"Content-Type": "text/plain"}).status_code == 400
    nobody = FastAPI()
    nobody.include_router(resolution_router(Settings(home=Path("/nonexistent"))))
    assert TestClient(nobody).post("/manifests", content=b"x", headers=kind | WRITER).status_code == 401


def test_malformed_requests_are_explained(client: TestClient) -> None:
    for answer in (
        client.get("/v1/matches/byBinding", params={"alg": "x"}),
        client.get("/v1/matches/byBinding", params={"alg": "x", "value": "y", "maxResults": 0}),
        client.post("/v1/matches/byBinding", json={"value": "x"}),
        client.post("/v1/matches/byReference", json={"referenceUrl": "https://x"}),
        client.post("/v1/matches/byBinding", content=b"\xff", headers={"Content-Type": "application/json"}),
    ):
        assert answer.status_code == 400
        assert set(answer.json()) == {"error"}
    assert client.get("/v1/matches/byBinding", params={"alg": "x", "value": "y" * 3000}).status_code == 414


def test_references_are_fetched_only_if_allowed_and_public(
    settings: Settings, client: TestClient, tmp_path: Path
) -> None:
    body = {"referenceUrl": "https://localhost/clip.mp4", "assetLength": 10}
    assert client.post("/v1/matches/byReference", json=body).status_code == 403
    allowed = client_for(settings.model_copy(update={"resolution_fetch": True}))
    assert "queryByReference" in allowed.get("/v1/services/capabilities").json()["supportedCapabilities"]
    part = body | {"region": [{"type": "frame", "frame": {"start": 0, "end": 5}}]}
    assert (allowed.post("/v1/matches/byReference", json=part).status_code) == 400
    assert allowed.post("/v1/matches/byReference", json=body | {"assetType": "audio/mpeg"}).status_code == 415
    answer = allowed.post("/v1/matches/byReference", json=body | {"assetType": "video/mp4", "region": []})
    assert answer.status_code == 502
    assert "not on the public network" in answer.json()["error"]
    named = ("http://example.com/x", "file:///etc/passwd", "https://user@example.com/", "https:///x", "ftp://x/y")
    for url in (*named, "https://[::1/x", "https://example.com:99999/x"):
        with pytest.raises(FetchError, match="https"):
            fetch(url, tmp_path / "x", length=10, limit=100)
    with pytest.raises(FetchError, match="limit"):
        fetch("https://example.com/", tmp_path / "x", length=101, limit=100)


def test_a_fetched_asset_must_be_what_the_request_says(
    case: Case, owner: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give(url: str, target: Path, *, length: int, limit: int) -> None:
        target.write_bytes(case.sealed.path.read_bytes())

    monkeypatch.setattr(resolution, "fetch", give)
    client = client_for(case.settings.model_copy(update={"resolution_fetch": True}))
    body = {"referenceUrl": "https://example.com/clip", "assetLength": 1}
    found = {"matches": [{"manifestId": case.sealed.manifest_id}]}
    for kind in ("video/mp4", "Video/MP4; codecs=avc1", "video/quicktime", None):
        assert client.post("/v1/matches/byReference", json=body | {"assetType": kind}).json() == found
    for kind in ("video/webm", "image/png"):
        answer = client.post("/v1/matches/byReference", json=body | {"assetType": kind})
        assert (answer.status_code, "not of the type" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "0.0.0.0", "fe80::1%lo"]
)
def test_inner_addresses_are_never_fetched_from(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))
    inner = (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [public])
    assert public_address("example.com", 443) == ("93.184.216.34", 443)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [public, inner])
    with pytest.raises(FetchError, match="public network"):
        public_address("example.com", 443)


def test_a_server_that_sends_a_byte_at_a_time_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Event()

    def drip(listening: socket.socket) -> None:
        with listening.accept()[0] as connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not stop.wait(0.02):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=drip, args=[listening])
        thread.start()
        monkeypatch.setattr(fetching, "public_address", lambda *_: listening.getsockname())
        monkeypatch.setattr(fetching, "_SECONDS", 0.3)
        try:
            with pytest.raises(FetchError, match="could not be reached"):
                fetching.post("http://example.com/", b"?", kind="text/plain", limit=10**6)
        finally:
            stop.set()
            thread.join()
