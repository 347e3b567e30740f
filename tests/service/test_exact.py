"""The very item on a photo, over HTTP: with features of the photos, without, and when they come while the service runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import open_client

from modiste.models.grnet_pretrained import save_grnet


@pytest.fixture(scope="module")
def described(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue, its photos described by a small GRNet with the weights that it was born with."""
    import torch

    from modiste.engine.catalogue import Catalogue
    from modiste.models.grnet import SIZES, Grnet
    from modiste.service.exact import keep_up

    torch.manual_seed(0)
    model = save_grnet(tmp_path_factory.mktemp("models") / "grnet", Grnet(SIZES["debug"]), name="grnet_debug.born")
    folder = tmp_path_factory.mktemp("described") / "shop"
    shutil.copytree(catalogue, folder)
    keep_up(Catalogue.open(folder), str(model))
    return folder


@pytest.fixture(scope="module")
def exact_client(described: Path) -> Iterator[Any]:
    from modiste.service.settings import Settings
    from modiste.service.shop import Shop

    shop = Shop(Settings(described))
    with open_client(shop) as client:
        yield client
    shop.close()


def ask(client: Any, photo: bytes, **fields: Any) -> Any:
    return client.post("/v1/search", files={"image": ("p.jpg", photo, "image/jpeg")}, data=fields)


def test_hits_are_ordered_by_what_matched(exact_client: Any, photo: bytes) -> None:
    assert exact_client.get("/v1/catalogue").json()["exact"] is True
    found = ask(exact_client, photo, exact="true", k=50).json()
    odds = [hit["match"] for hit in found["hits"]]
    assert None not in odds
    assert odds == sorted(odds, reverse=True)
    plain = ask(exact_client, photo, k=50).json()
    assert all(hit["match"] is None for hit in plain["hits"])
    assert [hit["item"]["id"] for hit in plain["hits"]] != [hit["item"]["id"] for hit in found["hits"]]
    second = ask(exact_client, photo, exact="true", k=20, offset=20).json()
    assert second["hits"] == found["hits"][20:40]
    like = exact_client.post("/v1/search", data={"like": found["hits"][0]["item"]["id"], "exact": "true", "k": 3})
    assert like.status_code == 200


@pytest.mark.parametrize("fields", [{"q": "red"}, {"rerank": 5}])
def test_exact_is_by_a_photo_alone(exact_client: Any, photo: bytes, fields: dict[str, Any]) -> None:
    answer = ask(exact_client, photo, exact="true", **fields)
    assert answer.status_code == 422
    assert "photo alone" in answer.json()["detail"]


def test_without_features_it_is_refused(client: Any, photo: bytes) -> None:
    assert client.get("/v1/catalogue").json()["exact"] is False
    answer = ask(client, photo, exact="true")
    assert answer.status_code == 422
    assert "--exact" in answer.json()["detail"]


def test_features_that_come_or_break_while_it_runs(described: Path, catalogue: Path, tmp_path: Path) -> None:
    import torch

    from modiste.engine.catalogue import Catalogue
    from modiste.models.grnet import SIZES, Grnet
    from modiste.service.exact import keep_up
    from modiste.service.settings import Settings
    from modiste.service.shop import Shop

    folder = tmp_path / "shop"
    shutil.copytree(catalogue, folder)
    shop = Shop(Settings(folder))
    try:
        assert shop.exact is None
        shutil.copytree(described / "exact", folder / "exact")
        shop._take(shop.store.snapshot())
        assert shop.exact is not None
        judge = shop.exact
        shop._take(shop.store.snapshot())
        assert shop.exact is judge
        torch.manual_seed(9)
        other = save_grnet(tmp_path / "other", Grnet(SIZES["debug"]), name="grnet_debug.other")
        keep_up(Catalogue.open(folder), str(other))
        shop._take(shop.store.snapshot())
        assert shop.exact is not None
        assert shop.exact.name == "grnet_debug.other"
        (folder / "exact" / "exact.json").write_text("{")
        shop._take(shop.store.snapshot())
        assert shop.exact is None  # said in the log; all else goes on
    finally:
        shop.close()


def test_a_job_that_is_stopped_while_it_describes_goes_on_later(described: Path, table: Path, tmp_path: Path) -> None:
    from modiste.models.pretrained import load
    from modiste.service.table_ingest import ingest_table

    folder = tmp_path / "shop"
    shutil.copytree(described, folder)
    index = folder / "exact" / "exact.json"
    values = {**json.loads(index.read_text()), "parts": []}  # as before its first part
    del values["sum"]
    index.write_text(json.dumps(values))

    def stop(done: int, total: int) -> None:
        assert (done, total) == (120, 120)
        raise InterruptedError

    encoder, report = load(), tmp_path / "rejected.jsonl"
    with pytest.raises(InterruptedError):
        ingest_table(table, folder, encoder, report_file=report, look=stop)
    found = ingest_table(table, folder, encoder, report_file=report)
    assert found.features is not None
    assert found.features.described == 0  # the part was whole when the job was stopped
    assert found.as_dict()["described"] == 0
    assert "0 photos described" in found.sentence()
