"""Tables indexed in the background: progress, bad rows, cancelling, and going on after a restart."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import open_client

from modiste.service.jobs import ENDED, Job, JobOptions, JobStore
from modiste.service.problems import Problem
from modiste.service.settings import Settings


@pytest.fixture
def own(catalogue: Path, table: Path, tmp_path: Path) -> Iterator[tuple[Any, Any, Path]]:
    """A service over a catalogue of its own: client, shop, folder; photos of tables lie beside the drawn table."""
    from modiste.service.shop import Shop

    folder = tmp_path / "shop"
    shutil.copytree(catalogue, folder)
    shop = Shop(Settings(folder, media=table.parent))
    with open_client(shop) as client:
        yield client, shop, folder
    shop.close()


def wait(client: Any, job_id: str, *statuses: str, seconds: float = 240) -> dict[str, Any]:
    until = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        if found["status"] in (statuses or ENDED):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.1)


def rows(*some: dict[str, str]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, ["id", "title", "category", "image", "price"], restval="")
    writer.writeheader()
    writer.writerows(some)
    return stream.getvalue().encode()


NEW = {"id": "new-1", "title": "Red silk scarf", "category": "scarf", "price": "20"}


def test_a_table_becomes_part_of_the_catalogue_while_it_is_served(own: Any) -> None:
    client, shop, _ = own
    body = rows(
        NEW,
        {"id": "new-2", "title": "Blue cap", "category": "cap", "image": "images/atelier-000003.jpg"},
        {"id": "bad-1", "title": ""},
        {"id": "bad-2", "title": "Gone", "image": "images/nowhere.jpg"},
        {"id": "bad-3", "title": "Escaping", "image": "../../../../etc/passwd"},
        {"id": "new-1", "title": "Twice"},
    )
    sent = client.post("/v1/jobs", files={"table": ("../../evil.csv", body)}, data={"prune": "false"})
    assert sent.status_code == 202
    job = sent.json()
    assert sent.headers["location"] == f"/v1/jobs/{job['id']}"
    assert job["options"]["name"] == "evil.csv"
    done = wait(client, job["id"])
    assert done["status"] == "done", done
    assert done["report"]["added"] == 2
    assert (done["report"]["rows"], done["report"]["rejected"]) == (6, 4)
    assert done["progress"]["total"] == 6
    assert done["started"]
    assert done["ended"]
    refused = client.get(f"/v1/jobs/{job['id']}/rejected").json()
    assert [one["id"] for one in refused["rows"]] == ["bad-1", "bad-2", "bad-3", "new-1"]
    assert all(one["reason"] for one in refused["rows"])
    first = client.get(f"/v1/jobs/{job['id']}/rejected?k=3").json()
    assert (len(first["rows"]), first["next"]) == (3, 3)
    assert client.get(f"/v1/jobs/{job['id']}/rejected?k=3&offset=3").json() == {
        "rows": refused["rows"][3:],
        "next": None,
    }
    until = time.monotonic() + 60
    while client.get("/v1/items/new-1").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert client.get("/v1/search", params={"q": "red silk scarf", "k": 1}).json()["hits"][0]["item"]["id"] == "new-1"
    assert client.get("/v1/items/new-1").json()["image"] is None
    assert client.get("/v1/items/new-2").json()["image"]
    assert shop.engine.complete(shop.engine.query(["new-1"], [shop.bench.slot("shoes")])).looks
    assert [one["id"] for one in client.get("/v1/jobs").json()["jobs"]] == [job["id"]]


def test_a_table_of_nothing_but_bad_rows_fails(own: Any) -> None:
    client, _, _ = own
    job = client.post("/v1/jobs", files={"table": ("a.csv", rows({"id": "x"}, {"id": "y"}))}).json()
    done = wait(client, job["id"])
    assert done["status"] == "failed"
    assert "every row was refused" in done["error"]
    strange = client.post("/v1/jobs", files={"table": ("a.parquet", b"PAR1 no parquet")}).json()
    failed = wait(client, strange["id"])
    assert failed["status"] == "failed"
    assert failed["error"]
    assert "/" + "tmp" not in failed["error"]


def test_what_is_no_table_is_not_queued(own: Any) -> None:
    client, _, folder = own
    for name, data, status in (
        ("a.exe", {}, 415),
        ("", {}, 422),
        ("a.csv", {"dialect": "klingon"}, 422),
        ("a.csv", {"mapping": "title"}, 422),
    ):
        assert client.post("/v1/jobs", files={"table": (name, b"id,title\n1,x\n")}, data=data).status_code == status
    assert client.post("/v1/jobs", data={"dialect": "plain"}).status_code == 422
    assert not JobStore(folder / "jobs").all()


@pytest.mark.slow
def test_a_job_is_cancelled_and_keeps_what_it_has_committed(own: Any) -> None:
    client, _, _ = own
    many = rows(*({"id": f"c-{n}", "title": f"Thing number {n}"} for n in range(8_000)))
    job = client.post("/v1/jobs", files={"table": ("a.csv", many)}).json()
    waiting = client.post("/v1/jobs", files={"table": ("b.csv", rows(NEW))}).json()
    assert client.delete(f"/v1/jobs/{waiting['id']}").json()["status"] == "cancelled"
    until = time.monotonic() + 240
    while not wait(client, job["id"], "running")["progress"]["encoded"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 202
    assert wait(client, job["id"])["status"] == "cancelled"
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 409
    assert not list(Path(client.app.state.jobs.folder / job["id"]).glob("table.*"))


@pytest.mark.slow
def test_a_restart_shows_the_jobs_and_goes_on(catalogue: Path, table: Path, tmp_path: Path) -> None:
    from modiste.service.shop import Shop

    folder = tmp_path / "shop"
    shutil.copytree(catalogue, folder)
    many = rows(*({"id": f"r-{n}", "title": f"Thing number {n}"} for n in range(800)))
    shop = Shop(Settings(folder))
    with open_client(shop) as client:
        job = client.post("/v1/jobs", files={"table": ("a.csv", many)}).json()
        until = time.monotonic() + 240
        while True:  # at work, or faster than we look
            seen = client.get(f"/v1/jobs/{job['id']}").json()
            if seen["progress"]["encoded"] or seen["status"] == "done":
                break
            assert seen["status"] in ("queued", "running"), seen
            assert time.monotonic() < until
            time.sleep(0.02)
    stopped = Job(folder / "jobs" / job["id"]).state()  # the application has ended, and so has its child
    assert stopped["status"] in ("queued", "done")
    with open_client(shop) as client:
        assert client.get(f"/v1/jobs/{job['id']}").json()["id"] == job["id"]
        done = wait(client, job["id"])
        assert done["status"] == "done"
        if stopped["status"] == "queued":
            assert done["report"]["unchanged"] > 0
        assert done["report"]["unchanged"] + done["report"]["added"] == 800
    shop.close()


def test_a_job_whose_worker_died_is_done_by_the_next(catalogue: Path, tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs")
    job = store.add(io.BytesIO(rows(NEW)), JobOptions("a.csv"))
    job.tell("running")
    assert store.next() is not None
    assert not job.is_running()  # nobody holds its lock
    with job.running():
        assert Job(job.folder).is_running()


def test_jobs_are_bounded_and_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modiste.service import limits

    monkeypatch.setattr(limits, "MAX_QUEUED_JOBS", 3)
    monkeypatch.setattr(limits, "KEPT_JOBS", 2)
    store = JobStore(tmp_path / "jobs")
    made = []
    for n in range(3):
        made.append(store.add(io.BytesIO(b"id\n"), JobOptions(f"{n}.csv")))
        time.sleep(0.002)
    with pytest.raises(Problem) as full:
        store.add(io.BytesIO(b"id\n"), JobOptions("x.csv"))
    assert full.value.status == 429
    for job in made:
        job.end("done")
    last = store.add(io.BytesIO(b"id\n"), JobOptions("y.csv"))
    assert [one.id for one in store.all()] == [made[2].id, last.id]
    for bad in ("..", "../jobs", "1790000000000-0123456789ab", "x"):
        with pytest.raises(Problem):
            store.get(bad)


def test_a_torn_state_is_a_failed_job(tmp_path: Path) -> None:
    job = JobStore(tmp_path / "jobs").add(io.BytesIO(b"id\n"), JobOptions("a.csv"))
    (job.folder / "state.json").write_text('{"status": "runn')
    assert job.as_dict()["status"] == "failed"
    assert json.dumps(job.as_dict())
    assert os.listdir(job.folder.parent) == [job.id]
