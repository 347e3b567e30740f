"""`modiste embed` and `modiste index --embedded` as a user types them."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from modiste.cli.embed import ended_by_sigterm
from modiste.engine.catalogue import Catalogue


@pytest.fixture(scope="module")
def embedded(shop: Path, dual: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's vectors, by one worker."""
    from modiste.cli import run

    folder = tmp_path_factory.mktemp("embedded") / "vectors"
    assert run(["embed", str(shop), "--out", str(folder), "--model", str(dual), "--shards", "4"]) == 0
    return folder


def vectors(folder: Path) -> dict[str, list[float]]:
    """As anyone would read them, with no line of Modiste's."""
    found = {}
    for path in (folder / "shards").glob("*.parquet"):
        for row in pq.read_table(path, partitioning=None).to_pylist():
            found |= dict.fromkeys(row["ids"], row["vector"])
    return found


def test_two_workers_make_what_one_makes(modiste, shop: Path, dual: Path, embedded: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    common = ("--out", tmp_path, "--model", dual, "--shards", 4, "--no-wait", "--json")
    first = modiste("embed", shop, "--worker", "1/2", *common).json
    assert (first["worker"], first["shards"], first["finished"]) == ("1/2", 4, True)  # its share, and what nobody did
    second = modiste("embed", shop, "--worker", "0/2", *common).json
    assert (second["encoded"], second["finished"]) == (0, True)
    assert first["encoded"] == 60
    one, two = vectors(embedded), vectors(tmp_path)
    assert one.keys() == two.keys()
    assert len(one) == 60
    for name in one:
        assert np.allclose(one[name], two[name], atol=1e-6)
    said = modiste("embed", shop, "--out", tmp_path)  # the folder knows its model and shards
    assert "60 there already" in said.out
    assert f"--embedded {tmp_path}" in said.out.replace("\n", "")


def test_the_index_takes_them_up_and_finds_the_same(  # type: ignore[no-untyped-def]
    modiste, shop: Path, dual: Path, embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modiste("index", shop, "--into", tmp_path / "plain", "--model", dual)
    from modiste.models.inference import ImageTextEncoder

    def never(*_: object) -> None:
        raise AssertionError("the encoder was asked")

    with monkeypatch.context() as patch:
        patch.setattr(ImageTextEncoder, "encode", never)
        done = modiste("index", shop, "--into", tmp_path / "ready", "--embedded", embedded, "--json").json
    assert (done["added"], done["taken"], done["encoded"]) == (60, 60, 0)
    one, other = (Catalogue.open(tmp_path / name).snapshot() for name in ("plain", "ready"))
    assert np.allclose(
        one.vectors[one.rows(sorted(vectors(embedded)))], other.vectors[other.rows(sorted(vectors(embedded)))]
    )
    found = [modiste("search", tmp_path / name, "navy shirt", "-k", 60, "--json").json for name in ("plain", "ready")]
    assert [hit["id"] for hit in found[0]["hits"]] == [hit["id"] for hit in found[1]["hits"]]


def test_a_changed_table_is_embedded_where_it_changed_and_indexed_whole(  # type: ignore[no-untyped-def]
    modiste, shop: Path, embedded: Path, tmp_path: Path
) -> None:
    shutil.copytree(shop.parent, tmp_path / "shop")
    shutil.copytree(embedded, tmp_path / "vectors")
    table = tmp_path / "shop" / shop.name
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    rows[3]["title"] = "a title that nobody has seen"
    rows[4]["price"] = "1.50"
    rows[5]["image"] = "images/nowhere.jpg"
    (tmp_path / "shop" / rows[6]["image"]).write_bytes(b"not a picture")
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows([*rows, rows[0]])
    into = tmp_path / "into"
    done = modiste("index", table, "--into", into, "--embedded", tmp_path / "vectors", "--json").json
    assert (done["taken"], done["encoded"], done["rejected"]) == (57, 1, 3)  # without embedding it first
    done = modiste("embed", table, "--out", tmp_path / "vectors", "--json").json
    assert (done["encoded"], done["unchanged"], done["rejected"], done["all_rejected"]) == (1, 57, 3, 3)
    told = [json.loads(line) for line in (tmp_path / "vectors" / "rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(one["row"], one["field"]) for one in told] == [(6, "image"), (7, "image"), (61, "id")]
    said = modiste("index", table, "--into", tmp_path / "new", "--embedded", tmp_path / "vectors")
    assert "58 vectors were taken" in said.out


def test_what_does_not_fit_is_said_in_one_line(modiste, shop: Path, fame: Path, embedded: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for arguments, message in (
        (("embed", shop, "--out", embedded, "--model", fame), "another folder"),
        (("index", shop, "--into", tmp_path / "i", "--embedded", embedded, "--model", fame), "cannot be compared"),
        (("index", shop, "--into", tmp_path / "i", "--embedded", tmp_path), "holds no vectors"),
        (("embed", shop, "--out", embedded, "--shards", 5), "num_shards 4, not 5"),
        (("embed", shop, "--out", embedded, "--half"), "precision float32"),
        (("embed", shop, "--out", "s3://bucket/vectors"), "a folder"),
        (("embed", shop, "--out", tmp_path / "v", "--worker", "2/2"), "counted from 0"),
        (("embed", tmp_path / "no.csv", "--out", tmp_path / "v"), "no.csv"),
        (("embed", shop, "--out", tmp_path / "v", "--lease", "0"), "86400"),
    ):
        done = modiste(*arguments)
        assert done.code == 1
        assert message in done.err.replace("\n", " ")
        assert "Traceback" not in done.err


def test_a_schedulers_end_is_as_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_by_sigterm():  # noqa: PT012 (the signal is handled before the next line ends)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert signal.getsignal(signal.SIGTERM) is before
    with ThreadPoolExecutor(1) as pool, ended_by_sigterm():
        pool.submit(ended_by_sigterm().__enter__).result()  # where no handler may be set, none is


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'modiste[ray]'")
def test_a_ray_job_makes_the_same_files(  # type: ignore[no-untyped-def]
    modiste, shop: Path, dual: Path, embedded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # its own 15 starves the actors where anything else runs
    options = ("--out", tmp_path, "--model", dual, "--shards", 4, "--ray", "local", "--ray-workers", 2, "--json")
    done = modiste("embed", shop, *options).json
    assert (done["encoded"], done["shards"], done["finished"]) == (60, 4, True)
    one, two = vectors(embedded), vectors(tmp_path)
    assert one.keys() == two.keys()
    assert all(np.allclose(one[name], two[name], atol=1e-6) for name in one)
