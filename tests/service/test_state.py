"""Jobs come into being whole or not at all, within limits, and end with all that belongs to them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from functools import partial, reduce
from pathlib import Path

import pytest
from local_postgres import PROGRAMS, postgresql
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from countermark.core.settings import Settings
from countermark.service import api, housekeeping, webhooks, workflows
from countermark.service.app import open_service
from countermark.service.faults import ApiError
from countermark.service.files import UPLOAD, FileStore
from countermark.service.housekeeping import clean_up, remove_orphans, take_up_failed
from countermark.service.keys import SCOPES
from countermark.service.options import ServiceSettings
from countermark.service.principal import Principal
from countermark.service.state import Service
from countermark.service.tables import DeliveryRow
from countermark.service.webhooks import EVENTS, PAUSES
from countermark.service.work import Desk

SOMEBODY = Principal("a", SCOPES)


@pytest.fixture
def service(tmp_path):
    with ExitStack() as stack:
        yield open_service(Settings(home=tmp_path), ServiceSettings(queue_limit=3, daily_generations=2), stack)


@pytest.fixture
def bench(service) -> None:
    """Workflows that are called here work for this service."""
    desk = Desk(service.settings, service.files)
    workflows.set_up(
        workflows.Bench(desk, service.options, service.jobs, service.queue, service.tallies, service.webhooks)
    )


def uploaded(service) -> Path:
    """The folder of an upload that has been read."""
    incoming = service.files.incoming(secrets.token_hex(4))
    (incoming / UPLOAD).mkdir()
    (incoming / UPLOAD / "a.mp4").write_bytes(b"upload")
    return incoming


def test_a_job_that_cannot_be_queued_leaves_nothing(service, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(service.queue, "submit", broken)
    incoming = service.files.incoming("x")
    with pytest.raises(RuntimeError):
        service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=incoming)
    assert service.jobs.depths() == {}
    assert list((service.files.root / "jobs").iterdir()) == []
    with pytest.raises(RuntimeError):
        service.submit_batch(SOMEBODY, "screening", "memory://x", [{"name": "a.mp4"}])
    assert service.jobs.depths() == {}


@pytest.fixture
def stored(service, tmp_path) -> Path:
    """The folder that is this service's object store."""
    bucket = tmp_path / "bucket" / "jobs"
    bucket.mkdir(parents=True)
    service.files._remote = FileStore(tmp_path / "elsewhere", f"file://{bucket.parent}")._remote
    return bucket


@pytest.mark.parametrize("broken", ["files._remote.put", "queue.submit"])
def test_a_job_that_cannot_be_made_leaves_nothing_in_the_store(service, stored, monkeypatch, broken):
    def away(*_: object, **__: object) -> None:
        raise OSError("away")

    *place, name = broken.split(".")
    monkeypatch.setattr(reduce(getattr, place, service), name, away)
    with pytest.raises(OSError, match="away"):
        service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=uploaded(service))
    assert list(stored.iterdir()) == list((service.files.root / "jobs").iterdir()) == []


def test_of_requests_with_the_same_key_at_once_one_leaves_its_upload(service, stored, monkeypatch):
    principal, by_key = replace(SOMEBODY, idempotency_key="k"), service.jobs.by_key
    first = service.submit(principal, "screening", {"name": "a.mp4"}, incoming=uploaded(service))
    asked = iter([None])
    monkeypatch.setattr(service.jobs, "by_key", lambda *key: next(asked, by_key(*key)))
    assert service.submit(principal, "screening", {"name": "a.mp4"}, incoming=uploaded(service)).id == first.id
    assert [path.name for path in stored.iterdir()] == [first.id]


def test_what_the_store_does_not_remove_is_removed_the_next_time(service, stored, monkeypatch):
    job = service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=uploaded(service))
    service.jobs.finish(job, retention=timedelta(hours=-1), result={}, error=None)

    def away(*_: object) -> None:
        raise OSError("away")

    with monkeypatch.context() as without_store:
        without_store.setattr(service.files._remote, "remove", away)
        assert clean_up(service) == 0
    assert service.jobs.get(job.id) is not None
    assert clean_up(service) == 1
    assert service.jobs.get(job.id) is None
    assert list(stored.iterdir()) == []


def test_an_idempotency_key_is_the_tenants_own(service):
    mine, theirs = (Principal(tenant, SCOPES, idempotency_key="k") for tenant in ("a", "b"))
    first = service.submit(mine, "video", {"prompt": "x"}, fingerprint="f")
    assert service.submit(mine, "video", {"prompt": "x"}, fingerprint="f").id == first.id
    assert service.submit(theirs, "video", {"prompt": "x"}, fingerprint="g").id != first.id
    with pytest.raises(ApiError, match="another request"):
        service.submit(mine, "video", {"prompt": "y"}, fingerprint="h")


def test_limits_are_the_tenants_own(service):
    for _ in range(2):
        service.submit(SOMEBODY, "video", {"prompt": "x"})
    with pytest.raises(ApiError, match="quota"):
        service.submit(SOMEBODY, "video", {"prompt": "x"})
    service.submit(SOMEBODY, "screening", {"name": "a.mp4"})
    with pytest.raises(ApiError, match="unfinished"):
        service.submit(SOMEBODY, "screening", {"name": "a.mp4"})
    service.quotas.set("a", queue_limit=10, daily_generations=None)
    service.submit(SOMEBODY, "screening", {"name": "a.mp4"})
    service.submit(Principal("b", SCOPES), "video", {"prompt": "x"})


def test_an_idempotency_key_is_refused_where_it_would_not_be_kept(service):
    somebody = replace(SOMEBODY, idempotency_key="k")
    for create in (
        partial(api.batches.create, api.batches.CreateBatch(source="memory://x")),
        partial(api.webhooks.create, api.webhooks.CreateWebhook(url="https://example.com/hook")),
    ):
        with pytest.raises(ApiError, match="No Idempotency-Key is taken here"):
            create(somebody, service)
    assert service.webhooks.of_tenant("a") == []


@pytest.fixture(params=["sqlite", "postgresql"])
def busy(request, tmp_path) -> Iterator[Service]:
    """A service on each kind of database."""
    with ExitStack() as stack:
        if request.param == "postgresql" and not PROGRAMS:
            pytest.skip("PostgreSQL is not installed")
        url = None if request.param == "sqlite" else stack.enter_context(postgresql())
        yield open_service(Settings(home=tmp_path, database_url=url), ServiceSettings(), stack)


def test_limits_hold_for_requests_that_come_at_once(busy, monkeypatch):
    busy.quotas.set("a", queue_limit=5, daily_generations=2)
    monkeypatch.setattr(Service, "check_limits", lambda *_: 1)  # all have looked before any is there

    def submit(kind: str) -> str:
        try:
            return busy.submit(SOMEBODY, kind, {"name": "a.mp4"}).kind
        except ApiError as error:
            return error.fault.code

    with ThreadPoolExecutor(8) as many:
        assert sorted(many.map(submit, ["video"] * 8)) == ["quota_exceeded"] * 6 + ["video"] * 2
        assert sorted(many.map(submit, ["seal"] * 8)) == ["queue_full"] * 5 + ["seal"] * 3
    with pytest.raises(ApiError, match="unfinished"):
        busy.submit_batch(SOMEBODY, "screening", "memory://x", [{"name": "a.mp4"}])
    assert busy.jobs.depths() == {("video", "queued"): 2, ("seal", "queued"): 3}


def test_the_limit_of_webhooks_holds_for_requests_that_come_at_once(busy, monkeypatch):
    asked = api.webhooks.CreateWebhook(url="https://example.com/hook")
    for _ in range(18):
        api.webhooks.create(asked, SOMEBODY, busy)
    of_tenant = busy.webhooks.of_tenant
    monkeypatch.setattr(busy.webhooks, "of_tenant", lambda _: [])  # all have looked before any is there

    def create(tenant: str) -> str:
        try:
            return api.webhooks.create(asked, Principal(tenant, SCOPES), busy).object
        except ApiError as error:
            return error.fault.code

    with ThreadPoolExecutor(8) as many:
        assert sorted(many.map(create, "a" * 8)) == ["too_many_webhooks"] * 6 + ["webhook"] * 2
    assert create("b") == "webhook"
    assert len(of_tenant("a")) == 20


def test_a_job_is_tried_again_within_the_limit_only(service):
    job, *_ = (service.submit(SOMEBODY, "screening", {"name": "a.mp4"}) for _ in range(3))
    service.cancel(job)
    another = service.submit(SOMEBODY, "screening", {"name": "a.mp4"})
    with pytest.raises(ApiError, match="unfinished"):
        service.retry(job)
    assert service.jobs.get(job.id).status == "cancelled"
    service.cancel(another)
    assert service.retry(job)
    assert not service.retry(job)


def test_a_request_for_pictures_is_one_generation_of_the_day_as_a_video_is(service):
    service.submit(SOMEBODY, "image", {"prompt": "x", "n": 4})
    service.delete(service.submit(SOMEBODY, "video", {"prompt": "x"}))
    service.submit(SOMEBODY, "video", {"prompt": "x"})
    with pytest.raises(ApiError, match="quota of 2 generations"):
        service.submit(SOMEBODY, "image", {"prompt": "x", "n": 1})


def test_what_has_expired_goes_with_its_files(service):
    kept = service.submit(SOMEBODY, "video", {"prompt": "x"})
    gone = service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=service.files.incoming("x"))
    service.jobs.finish(kept, retention=timedelta(hours=1), result={}, error=None)
    service.jobs.finish(gone, retention=timedelta(hours=-1), result={}, error=None)
    assert service.files.folder(gone.id).exists()
    assert clean_up(service) == 1
    assert service.jobs.get(gone.id) is None
    assert service.jobs.get(kept.id) is not None
    assert not service.files.folder(gone.id).exists()


def test_the_queue_forgets_what_ended_long_ago_also_of_jobs_that_were_deleted(service):
    kept, gone, waiting = (service.submit(SOMEBODY, "screening", {"name": "a.mp4"}) for _ in range(3))
    for job in (kept, gone):
        service.queue._client.cancel_workflow(job.id)
    with service.engine.begin() as connection:  # as if it had been a month ago
        connection.execute(
            text("UPDATE workflow_status SET completed_at = completed_at - :month WHERE workflow_uuid = :id"),
            {"month": 31 * 24 * 3600 * 1000, "id": gone.id},
        )
    service.delete(gone)
    clean_up(service)
    assert {each.workflow_id for each in service.queue._client.list_workflows()} == {kept.id, waiting.id}


FAILED = text("UPDATE workflow_status SET status = 'ERROR', completed_at = created_at WHERE status <> 'CANCELLED'")


def test_what_was_started_anew_or_failed_long_ago_is_not_taken_up(service):
    anew, old = (service.submit(SOMEBODY, "screening", {"name": "a.mp4"}) for _ in range(2))
    with service.engine.begin() as connection:
        connection.execute(FAILED)
        connection.execute(
            text("UPDATE workflow_status SET completed_at = completed_at - :days WHERE workflow_uuid = :id"),
            {"days": 2 * 24 * 3600 * 1000, "id": old.id},
        )
    service.cancel(anew)
    assert service.retry(anew)
    take_up_failed(service)
    ids = {each.workflow_id for each in service.queue._client.list_workflows()}
    assert not any(each.endswith("-again") for each in ids)
    assert anew.id not in ids and old.id in ids and len(ids) == 2


def test_what_lost_its_database_is_taken_up_again_once(service):
    job = service.submit(SOMEBODY, "video", {"prompt": "x", "priority": 7})
    with service.engine.begin() as connection:
        service.queue.deliver(connection, "delivery", "a", attempt=3)
        connection.execute(FAILED)
    service.jobs.begin(job.id)
    for _ in range(2):
        take_up_failed(service)
    assert service.jobs.get(job.id).attempts == 0  # no worker has broken down on it
    queued = {each.workflow_id: each for each in service.queue._client.list_workflows()}
    assert set(queued) == {f"{job.id}-again", "delivery-3-again"}
    again, message = queued[f"{job.id}-again"], queued["delivery-3-again"]
    assert again.status == message.status == "ENQUEUED"
    assert (again.queue_name, again.priority, again.queue_partition_key) == ("generations", 7, "a")
    assert (again.name, again.input["args"]) == ("countermark.job", (job.id,))
    assert (message.queue_name, message.name, message.input["args"]) == (
        "deliveries",
        "countermark.delivery",
        ("delivery", 3),
    )


def test_what_fails_again_waits_longer_every_time(service):
    service.submit(SOMEBODY, "video", {"prompt": "x"})
    pauses = []
    for _ in range(3):
        with service.engine.begin() as connection:
            connection.execute(FAILED)
        take_up_failed(service)
        (status,) = service.queue._client.list_workflows()
        pauses.append(((status.delay_until_epoch_ms or status.created_at) - status.created_at) / 1000)
    assert pauses == pytest.approx([0, 120, 240], abs=1)


def test_housekeeping_goes_on_whatever_happened(monkeypatch, caplog):
    done = []

    def chore(service: str) -> None:
        done.append(service)
        if len(done) == 3:
            raise asyncio.CancelledError  # as the server does when it ends
        raise KeyError("broken")

    monkeypatch.setattr(housekeeping, "_INTERVAL", 0)
    monkeypatch.setattr(housekeeping, "remove_orphans", chore)
    monkeypatch.setattr(housekeeping, "clean_up", chore)
    monkeypatch.setattr(housekeeping, "take_up_failed", lambda service: None)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(housekeeping.keep_house("service"))
    assert [line.message for line in caplog.records] == ["housekeeping"] * 2


def test_states_are_told_of_more_jobs_than_one_query_takes(service):
    job = service.submit(SOMEBODY, "video", {"prompt": "x"})
    assert service.jobs.statuses([*(f"video_{number}" for number in range(1200)), job.id]) == {job.id: "queued"}


def test_a_folder_without_a_job_is_removed_once_it_is_old(service):
    kept = service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=service.files.incoming("x"))
    for folder in (service.files.make("screening_lost"), service.files.folder(kept.id)):
        os.utime(folder, (0, 0))
    young = service.files.make("screening_young")
    remove_orphans(service)
    assert not service.files.folder("screening_lost").exists()
    assert young.exists() and service.files.folder(kept.id).exists()


def deliveries(service) -> list[tuple[str, str]]:
    with service.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(DeliveryRow.subject, DeliveryRow.event))]


def test_a_job_that_is_cancelled_in_the_queue_ends_as_any_other_does(service, caplog):
    caplog.set_level(logging.INFO, "countermark.service")
    service.webhooks.create("a", "https://example.com/hook", EVENTS, service.options)
    job = service.submit(SOMEBODY, "image", {"prompt": "x"})
    assert service.cancel(job)
    assert not service.cancel(job)
    assert deliveries(service) == [(job.id, "image.failed")]
    assert service.tallies.all() == [("countermark_jobs_total", {"kind": "image", "status": "cancelled"}, 1.0)]
    assert [(line.message, line.job, line.tenant) for line in caplog.records] == [("cancelled", job.id, "a")]


def test_a_job_that_is_deleted_counts_as_cancelled_unless_it_has_ended(service, caplog):
    caplog.set_level(logging.INFO, "countermark.service")
    service.webhooks.create("a", "https://example.com/hook", EVENTS, service.options)
    ended, queued = (service.submit(SOMEBODY, "video", {"prompt": "x"}) for _ in range(2))
    service.jobs.finish(ended, retention=timedelta(hours=1), result={}, error=None)
    for job in (ended, queued):
        service.delete(job)
        assert service.jobs.get(job.id) is None
    assert deliveries(service) == []
    assert service.tallies.all() == [("countermark_jobs_total", {"kind": "video", "status": "cancelled"}, 1.0)]
    assert [(line.message, line.job) for line in caplog.records] == [("cancelled", queued.id)]


def test_an_end_that_a_killed_process_did_not_tell_of_is_told_of_once(service, bench):
    service.webhooks.create("a", "https://example.com/hook", EVENTS, service.options)
    completed, cancelled, waiting = (service.submit(Principal("a", SCOPES), "seal", {"video": "x"}) for _ in range(3))
    service.jobs.finish(completed, retention=timedelta(hours=1), result={}, error=None)
    service.jobs.cancel(cancelled.id, retention=timedelta(hours=1))
    for job in (completed, cancelled) * 2:
        inspect.unwrap(workflows.run_job)(job.id)
    workflows.announce(waiting.id)  # as after a cancelled try, when the job was put back at once
    assert deliveries(service) == [(completed.id, "seal.completed"), (cancelled.id, "seal.failed")]


def test_a_job_that_the_database_failed_is_tried_again_with_its_upload(service, bench, monkeypatch):
    def failing(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("away"))

    monkeypatch.setattr(workflows, "perform", failing)
    monkeypatch.setattr(workflows, "_last_try", lambda: last)
    job = service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=uploaded(service))
    last = False
    with pytest.raises(OperationalError):
        inspect.unwrap(workflows.run_job)(job.id)
    assert service.jobs.get(job.id).status == "in_progress"
    assert service.files.has_upload(job.id)
    last = True
    inspect.unwrap(workflows.run_job)(job.id)
    assert service.jobs.get(job.id).error["code"] == "storage"


def test_a_step_of_an_earlier_try_leaves_the_job_to_the_present_one(service, bench, monkeypatch):
    job = service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=uploaded(service))
    old = service.jobs.begin(job.id)

    def cancelled_and_put_back(*_: object) -> dict:
        service.cancel(job)
        with service.engine.begin() as connection:
            service.jobs.reopen(connection, job.id)
        service.jobs.begin(job.id)
        return {}

    monkeypatch.setattr(workflows, "perform", cancelled_and_put_back)
    for _ in range(2):  # while it works, and when it is tried again
        inspect.unwrap(workflows.work)(job.id, old.token)
    assert service.jobs.get(job.id).status == "in_progress"
    assert service.files.has_upload(job.id)


def test_a_message_that_is_not_taken_waits_in_the_queue_for_its_next_attempt(service, bench, monkeypatch):
    service.webhooks.create("a", "https://example.com/hook", EVENTS, service.options)
    service.cancel(service.submit(SOMEBODY, "image", {"prompt": "x"}))
    with service.engine.connect() as connection:
        message = connection.scalar(select(DeliveryRow.id))
    monkeypatch.setattr(webhooks, "deliver", lambda *_, **__: False)
    run_delivery, last = inspect.unwrap(workflows.run_delivery), len(PAUSES) - 1
    run_delivery(message)
    for attempt in (1, *range(1, last + 1)):  # the first of these by a process that died before it could say so
        run_delivery(message, attempt)
    queued = service.queue._client.list_workflows(workflow_id_prefix=f"{message}-")
    assert [each.workflow_id for each in queued] == [f"{message}-{attempt}" for attempt in range(1, last + 1)]
    assert [each.input["args"] for each in queued] == [(message, attempt) for attempt in range(1, last + 1)]
    assert {each.status for each in queued} == {"DELAYED"}
    pauses = [(each.delay_until_epoch_ms - each.created_at) / 1000 for each in queued]
    assert pauses == pytest.approx(PAUSES[1:], abs=1)
    monkeypatch.setattr(webhooks, "deliver", lambda *_, **__: True)
    service.queue._client.delete_workflows([each.workflow_id for each in queued])
    run_delivery(message)
    assert service.queue._client.list_workflows(workflow_id_prefix=f"{message}-") == []


@pytest.mark.parametrize(
    ("answer", "attempt", "status"),
    [
        (200, 0, "delivered"),
        (500, 0, "pending"),
        (500, len(PAUSES) - 1, "failed"),
        (OSError("a\0way"), len(PAUSES) - 2, "pending"),  # PostgreSQL holds no NUL
        (OSError("away"), len(PAUSES) - 1, "failed"),
        (410, 0, "failed"),  # nobody is asked again there
        (204, len(PAUSES) - 1, "delivered"),
    ],
)
def test_a_message_is_pending_only_while_it_is_tried_again(service, bench, monkeypatch, answer, attempt, status):
    def post(*_: object) -> int:
        if isinstance(answer, OSError):
            raise answer
        return answer

    service.webhooks.create("a", "https://example.com/hook", EVENTS, service.options)
    service.cancel(service.submit(SOMEBODY, "image", {"prompt": "x"}))
    with service.engine.connect() as connection:
        message = connection.scalar(select(DeliveryRow.id))
    monkeypatch.setattr(webhooks, "_post", post)
    inspect.unwrap(workflows.run_delivery)(message, attempt)
    with service.engine.connect() as connection:
        assert connection.scalar(select(DeliveryRow.status)) == status
        assert "\0" not in connection.scalar(select(DeliveryRow.detail))
    queued = service.queue._client.list_workflows(workflow_id_prefix=f"{message}-")
    assert len(queued) == (status == "pending")


def test_a_cancelled_job_keeps_its_upload_for_another_try_until_its_time_is_over(service):
    job = service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=uploaded(service))
    service.cancel(job)
    clean_up(service)
    assert service.files.has_upload(job.id)
    with service.engine.begin() as connection:
        assert service.jobs.reopen(connection, job.id)
    service.jobs.cancel(job.id, retention=timedelta(hours=-1))
    clean_up(service)
    assert not service.files.has_upload(job.id)


def test_a_job_can_be_tried_again_once_it_has_failed(service):
    job = service.submit(SOMEBODY, "video", {"prompt": "x"})
    assert not service.retry(job)
    service.jobs.cancel(job.id, retention=timedelta(hours=1))
    assert service.retry(job)
    assert service.jobs.get(job.id).status == "queued"
