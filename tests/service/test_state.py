"""Jobs come into being whole or not at all, within limits, and end with all that belongs to them."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import timedelta

import pytest

from countermark.core.settings import Settings
from countermark.service.access import Principal
from countermark.service.app import open_service
from countermark.service.faults import ApiError
from countermark.service.housekeeping import clean_up, remove_orphans
from countermark.service.keys import SCOPES
from countermark.service.options import ServiceSettings

SOMEBODY = Principal("a", SCOPES)


@pytest.fixture
def service(tmp_path):
    with ExitStack() as stack:
        yield open_service(Settings(home=tmp_path), ServiceSettings(queue_limit=3, daily_generations=2), stack)


def test_a_job_that_cannot_be_queued_leaves_nothing(service, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(service.queue, "submit", broken)
    incoming = service.files.incoming("x")
    with pytest.raises(RuntimeError):
        service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=incoming)
    assert service.jobs.count_active("a") == 0
    assert list((service.files.root / "jobs").iterdir()) == []
    with pytest.raises(RuntimeError):
        service.submit_batch(SOMEBODY, "screening", "memory://x", [{"name": "a.mp4"}])
    assert service.jobs.depths() == {}


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


def test_what_has_expired_goes_with_its_files(service):
    kept = service.submit(SOMEBODY, "video", {"prompt": "x"})
    gone = service.submit(SOMEBODY, "screening", {"name": "a.mp4"}, incoming=service.files.incoming("x"))
    service.jobs.finish(kept.id, retention=timedelta(hours=1), result={}, error=None)
    service.jobs.finish(gone.id, retention=timedelta(hours=-1), result={}, error=None)
    assert service.files.folder(gone.id).exists()
    assert clean_up(service) == 1
    assert service.jobs.get(gone.id) is None
    assert service.jobs.get(kept.id) is not None
    assert not service.files.folder(gone.id).exists()


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


def test_a_job_can_be_tried_again_once_it_has_failed(service):
    job = service.submit(SOMEBODY, "video", {"prompt": "x"})
    with service.engine.begin() as connection:
        assert not service.jobs.reopen(connection, job.id)
    service.jobs.cancel(job.id, retention=timedelta(hours=1))
    with service.engine.begin() as connection:
        assert service.jobs.reopen(connection, job.id)
        service.queue.submit(connection, job, again=True)
    assert service.jobs.get(job.id).status == "queued"
