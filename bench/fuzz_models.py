"""What a shop or another house hands over as files of a model or of a catalogue: weights, settings, checkpoints, stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz_inputs import Mutate, by_json, mutated, safetensors_head
from fuzz_target import Ready, Target, bytes_target, folder_target, refused

TITLES = (
    "red linen shirt",
    "blue denim jeans",
    "black leather ankle boots",
    "green silk dress",
    "white cotton tee",
) * 3


def _by_name(name: str) -> Mutate:
    return safetensors_head if name.endswith(".safetensors") else by_json


def _tensors() -> list[bytes]:
    from safetensors.numpy import save

    arrays = {"a": np.ones((2, 3), np.float32), "b": np.arange(4), "c": np.zeros((0, 2), np.float16)}
    return [save(arrays, metadata={"format": "pt", "aliases": '{"d": "a"}'}), save({"x": np.ones(1, np.uint8)})]


def _tensor_reader(folder: Path) -> Callable[[bytes], bool]:
    from modiste.training.checkpoint import load_tensors

    path = folder / "model.safetensors"

    def read(data: bytes) -> bool:
        path.write_bytes(data)
        return refused((str(path),), lambda: load_tensors(path))

    return read


def _encoder(architecture: str) -> Callable[[Path], Mapping[str, Mutate]]:
    def write(folder: Path) -> Mapping[str, Mutate]:
        import torch

        from modiste.data.text import train_wordpiece
        from modiste.models import clip, fame_vil, mvlt
        from modiste.models.pretrained import save_pretrained

        torch.manual_seed(0)
        model = {
            "dual_encoder": lambda: clip.DualEncoder(clip.SIZES["debug"]),
            "mvlt": lambda: mvlt.Mvlt(mvlt.SIZES["debug"], labels={"colour": ("red", "blue")}),
            "fame_vil": lambda: fame_vil.FameVil(fame_vil.SIZES["debug"]),
        }[architecture]()
        save_pretrained(folder / "model", model, train_wordpiece(TITLES, vocab_size=200), name="toy")
        return {f"model/{name}": _by_name(name) for name in ("config.json", "model.safetensors", "tokenizer.json")}

    return write


def _load_encoder(folder: Path) -> None:
    from modiste.models.pretrained import load

    load(folder / "model")


def _outfit_model(folder: Path) -> Mapping[str, Mutate]:
    from modiste.models.outfit_pretrained import save_outfit_model
    from modiste.models.outfit_transformer import SIZES, OutfitTransformer
    from modiste.types import EncoderId

    model = OutfitTransformer(replace(SIZES["debug"], image_dim=8, text_dim=8))
    save_outfit_model(folder / "model", model, name="toy", encoder=EncoderId("toy", "ab" * 32, 8))
    return {f"model/{name}": _by_name(name) for name in ("config.json", "model.safetensors")}


def _load_outfit_model(folder: Path) -> None:
    from modiste.models.outfit_pretrained import load_outfit_model

    load_outfit_model(folder / "model")


def _grnet(folder: Path) -> Mapping[str, Mutate]:
    from modiste.models.grnet import SIZES, Grnet
    from modiste.models.grnet_pretrained import save_grnet

    save_grnet(folder / "model", Grnet(SIZES["debug"]), name="toy")
    return {f"model/{name}": _by_name(name) for name in ("config.json", "model.safetensors")}


def _load_grnet(folder: Path) -> None:
    from modiste.models.grnet_pretrained import load_grnet

    load_grnet(folder / "model")


def _published(folder: Path) -> Mapping[str, Mutate]:
    """A tiny random CLIP as `transformers` writes one."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    at = folder / "model"
    shared: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    words = ["<|startoftext|>", "red", "dress", "<|endoftext|>"]
    text = {**shared, "vocab_size": len(words), "max_position_embeddings": 12, "bos_token_id": 0, "eos_token_id": 3}
    vision = {**shared, "image_size": 16, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(at)
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token=words[-1]))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    ends = {"bos_token": words[0], "eos_token": words[-1], "unk_token": words[-1], "pad_token": words[-1]}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=12, **ends).save_pretrained(at)
    CLIPImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(at)
    names = [file.name for file in at.iterdir() if file.suffix in (".json", ".safetensors")]
    return {f"model/{name}": _by_name(name) for name in names}


def _checkpoint(folder: Path) -> Mapping[str, Mutate]:
    import torch

    from modiste.training.checkpoint import save_checkpoint

    at = save_checkpoint(
        folder / "checkpoints",
        12,
        {"model": {"w": torch.ones(2, 3)}, "optimizer": {"w/exp_avg": torch.zeros(2, 3)}},
        {"epoch": 1},
    )
    names = [file.name for file in at.iterdir()]
    return {f"checkpoints/{at.name}/{name}": _by_name(name) for name in names}


def _load_checkpoint(folder: Path) -> None:
    from modiste.training.checkpoint import latest_checkpoint, load_checkpoint

    load_checkpoint(folder / "checkpoints" / "step_00000012")
    latest_checkpoint(folder / "checkpoints")


def _tastes(folder: Path) -> Mapping[str, Mutate]:
    from modiste.engine.attached import attach_tastes
    from modiste.engine.tastes import FoldIn, Tastes, save_tastes

    rng = np.random.default_rng(0)
    outfits, items, users = (rng.normal(size=(n, 2)).astype(np.float32) for n in (3, 4, 2))
    fold = FoldIn(outfits, items, np.array([0.1, 0.1], np.float32))
    save_tastes(
        folder / "trained",
        Tastes(("ann", "bob"), ("o1", "o2", "o3"), ("a", "b", "c", "d"), users, outfits, items, fold, name="toy"),
    )
    (folder / "shop").mkdir()
    attach_tastes(folder / "shop", folder / "trained")
    return {"trained/tastes.json": by_json, "trained/tastes.safetensors": safetensors_head, "shop/tastes.json": by_json}


def _load_tastes(folder: Path) -> None:
    from modiste.engine.attached import attached_tastes
    from modiste.engine.tastes import load_tastes

    found = load_tastes(folder / "trained")
    for one in found.user_ids[:1]:
        found.scores(found.user(one))
    attached_tastes(folder / "shop")


def _clicks(folder: Path) -> Ready:
    """The file of clicks, its pages changed."""
    from modiste.engine.clicks import ClickBook
    from modiste.engine.errors import CatalogueError

    book = ClickBook(folder)
    book.add_all([(f"user-{n % 7}", "" if n % 3 else f"look-{n}", f"item-{n}" if n % 3 else "") for n in range(60)])
    book.close()
    good = book.path.read_bytes()

    def read(data: bytes) -> bool:
        for file in folder.iterdir():
            file.unlink()
        book.path.write_bytes(data)

        def one() -> None:
            found = ClickBook(folder)
            try:
                found.of("user-1")
                list(found.every())
                found.most_taken(3)
                found.add("user-1", item="new")
                found.forget("user-2")
            finally:
                found.close()

        return refused((str(book.path),), one, (CatalogueError,))

    return Ready(lambda luck: mutated(good, luck), read)


def _store(folder: Path) -> Ready:
    """A catalogue of twelve items, one of its files changed: refused, or read as it was."""
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.errors import CatalogueError
    from modiste.types import EncoderId, Item

    class Toy:
        """Vectors of a text's length: what is in the store does not matter here."""

        id = EncoderId("toy", "cd" * 32, 4)

        def encode_items(self, items: Any) -> np.ndarray:
            return np.array([[1.0, len(one.title), 0.0, 1.0] for one in items], np.float32) / 100

        encode_queries = encode_items

    good, tried = folder / "good", folder / "tried"
    store = Catalogue.create(good, Toy.id)
    store.upsert(
        [
            Item(
                f"a-{n}",
                f"red shirt {n}",
                np.full((6, 6, 3), 9 * n, np.uint8),
                "Shirts",
                attributes={"colour": "red", "price": n + 0.5},
            )
            for n in range(12)
        ],
        Toy(),
    )
    files = sorted(
        str(file.relative_to(good))
        for file in good.rglob("*")
        if file.is_file() and file.stat().st_size and ".lock" not in file.name
    )

    def make(luck: Random) -> tuple[str, bytes]:
        name = luck.choice(files)
        data = (good / name).read_bytes()
        return name, by_json(data, luck) if name.endswith(".json") and luck.random() < 0.5 else mutated(data, luck)

    def read(case: tuple[str, bytes]) -> bool:
        name, data = case
        shutil.rmtree(tried, ignore_errors=True)
        shutil.copytree(good, tried)
        (tried / name).write_bytes(data)

        def one() -> None:
            found = Catalogue.open(tried)
            snapshot = found.snapshot()
            for row in range(len(snapshot)):
                found.image(snapshot.item(row).id)
            found.verify()

        return refused((str(tried),), one, (CatalogueError,))

    return Ready(make, read)


_TORCH = ("modiste.models.pretrained", "modiste.models.outfit_pretrained", "modiste.models.grnet_pretrained")
MODELS: tuple[Target, ...] = (
    folder_target("tastes", 100, _tastes, _load_tastes),
    Target("clicks", 40, _clicks),
    *(
        replace(one, preload=_TORCH)
        for one in (
            bytes_target("safetensors", 300, _tensors, safetensors_head, _tensor_reader),
            folder_target("checkpoint", 60, _checkpoint, _load_checkpoint),
            folder_target("dual encoder", 8, _encoder("dual_encoder"), _load_encoder),
            folder_target("mvlt", 8, _encoder("mvlt"), _load_encoder),
            folder_target("fame-vil", 6, _encoder("fame_vil"), _load_encoder),
            folder_target("outfit model", 10, _outfit_model, _load_outfit_model),
            folder_target("grnet", 8, _grnet, _load_grnet),
            folder_target("published clip", 3, _published, _load_encoder),
        )
    ),
    Target("store", 8, _store),
)
