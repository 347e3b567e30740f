"""HFGN's own files (Li et al., SIGIR 2020, github.com/xcppy/hierarchical_fashion_graph_network, `Data/pog/Data.md`).

The authors published the format and not the files. Ids are whole numbers from 0 on.

    train_uo.txt, test_uo.txt       user outfit outfit ...
    fltb_train_outfit_item.txt      outfit item item ...
    fltb_item_cate2.txt             item category
    fltb_feat_resnet152_02.npy      (I, 2048), row i for item i; optional
    fltb_test.txt                   outfit;length;masked place;right outfit;wrong;wrong;wrong, an outfit being item,item,...

The `fltb_` files lie beside the others or in `new_fltb/`. There is no validation file: as the authors said of theirs, it is
sampled from train, here one click in ten of each user with ten or more. As in the paper, the outfits to be ranked are those
with a training click (before validation clicks are taken away).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modiste.data.feed.report import FeedReport
from modiste.data.fltb import FltbQuestions, stacked
from modiste.data.interactions import Interactions, as_ids, pair_matrix
from modiste.types import FloatArray

TRAIN, TEST = "train_uo.txt", "test_uo.txt"
OUTFITS, CATEGORIES = "fltb_train_outfit_item.txt", "fltb_item_cate2.txt"
FEATURES, QUESTIONS = "fltb_feat_resnet152_02.npy", "fltb_test.txt"
_PLACES = ("", "new_fltb")
_FEWEST = 10  # clicks of a user from which on some are taken for validation
_MAX_FEATURES = 4_000_000_000  # bytes


def is_hfgn(folder: Path) -> bool:
    """Whether a folder holds the files that there must be."""
    return (folder / TRAIN).is_file() and _find(folder, OUTFITS) is not None


def read_hfgn(folder: str | Path, seed: int = 0, *, report: FeedReport | None = None) -> Interactions:
    """Clicks, outfits, categories and features.

    Parameters
    ----------
    seed
        Of the validation clicks.
    report
        Collects lines that are no whole numbers, ids that are there twice, and outfits of a user that have no items.

    Raises
    ------
    FileNotFoundError
        If `train_uo.txt` or the outfits are missing.
    ValueError
        If a file cannot be read, or nothing good is left.
    """
    folder, report = Path(folder), FeedReport() if report is None else report
    looks = _find(folder, OUTFITS)
    if looks is None or not (folder / TRAIN).is_file():
        raise FileNotFoundError(f"{folder}: {TRAIN} and {OUTFITS} (there or in new_fltb/) are needed")
    contents = _lists(looks, report)
    train = _known(folder / TRAIN, contents, report)
    if not train:
        raise ValueError(f"{folder / TRAIN}: no click on an outfit that has items; {report}")
    users = np.array(sorted(train), dtype=np.int64)
    outfits = np.unique(np.concatenate([np.array(some, dtype=np.int64) for some in train.values()]))
    contents = {outfit: contents[outfit] for outfit in outfits.tolist()}
    category = _categories(_find(folder, CATEGORIES), report)
    features = _features(_find(folder, FEATURES))
    in_outfits = {item for some in contents.values() for item in some}
    items = np.array(sorted(in_outfits | category.keys()), dtype=np.int64)
    if features is not None and int(items[-1]) >= len(features):
        raise ValueError(f"{folder}: item {items[-1]}, but {FEATURES} has {len(features):,} rows")
    rest, valid = _sampled(train, seed)
    clicks = {"train": rest, "valid": valid} if valid else {"train": rest}
    if (folder / TEST).is_file():
        ranked = set(outfits.tolist())
        held = _known(folder / TEST, ranked, report, train)
        if held:
            clicks["test"] = held
    matrices = {}
    for split, some in clicks.items():
        pairs = np.array([(user, outfit) for user, mine in some.items() for outfit in mine], dtype=np.int64)
        matrices[split] = pair_matrix(
            np.searchsorted(users, pairs[:, 0]), np.searchsorted(outfits, pairs[:, 1]), (len(users), len(outfits))
        )
    pairs = np.array([(outfit, item) for outfit, some in contents.items() for item in some], dtype=np.int64)
    kinds = sorted({category.get(item, -1) for item in items.tolist()})
    return Interactions(
        as_ids(users),
        as_ids(outfits),
        as_ids(items),
        matrices,
        pair_matrix(
            np.searchsorted(outfits, pairs[:, 0]), np.searchsorted(items, pairs[:, 1]), (len(outfits), len(items))
        ),
        np.array([kinds.index(category.get(item, -1)) for item in items.tolist()]) if category else None,
        tuple("" if kind < 0 else str(kind) for kind in kinds) if category else (),
        None if features is None else features[items],
        name=folder.resolve().name,
    )


def read_hfgn_questions(folder: str | Path, data: Interactions, *, report: FeedReport | None = None) -> FltbQuestions:
    """The official blanks, their candidates put into an order drawn by lot; all outfits of `data` are for training.

    Lines of another form, with items that `data` does not have, or whose candidates are not all different are skipped and
    reported. Raises `ValueError` when there is no such file or no good line.
    """
    folder, report = Path(folder), FeedReport() if report is None else report
    path = _find(folder, QUESTIONS)
    if path is None:
        raise ValueError(f"{folder}: no {QUESTIONS} there or in new_fltb/")
    row_of = {one: row for row, one in enumerate(data.item_ids)}
    rng = np.random.default_rng(0)
    sets: list[NDArray[np.int64]] = []
    correct: list[int] = []
    for number, text in _lines(path):
        report.rows_read += 1
        try:
            candidates = _question(text, row_of, len(sets[0]) if sets else 0)
        except ValueError as error:
            report.reject(number, text.split(";", 1)[0][:200], "row", f"{path.name}: {error}", line=number)
            continue
        order = rng.permutation(len(candidates))
        sets.append(candidates[order])
        correct.append(int(np.flatnonzero(order == 0)[0]))
    if not sets:
        raise ValueError(f"{path}: no question; {report}")
    return FltbQuestions(stacked(sets), np.array(correct, dtype=np.int64), np.arange(data.num_outfits), "official")


def _question(text: str, row_of: dict[str, int], expected: int) -> NDArray[np.int64]:
    """(C, length) the right outfit first."""
    parts = [part.strip() for part in text.split(";")]
    if len(parts) < 5:
        raise ValueError(f"{len(parts)} parts; outfit;length;masked place;right;wrong... are needed")
    if not all(_is_id(part) for part in parts[:3]):
        raise ValueError("outfit, length and masked place must be whole numbers")
    length, blank = int(parts[1]), int(parts[2])
    outfits = [[one.strip() for one in part.split(",")][:length] for part in parts[3:]]  # filled up behind their length
    if any(len(outfit) != length for outfit in outfits) or not 0 <= blank < length:
        raise ValueError(f"outfits of {length} items with place {blank} masked are needed")
    if expected and len(outfits) != expected:
        raise ValueError(f"{len(outfits)} candidates where the lines before have {expected}")
    if strange := [one for outfit in outfits for one in outfit if one not in row_of]:
        raise ValueError(f"unknown item {strange[0][:40]!r}")
    if any(outfit[:blank] + outfit[blank + 1 :] != outfits[0][:blank] + outfits[0][blank + 1 :] for outfit in outfits):
        raise ValueError(f"candidates differ in another place than {blank}")
    if len({outfit[blank] for outfit in outfits}) != len(outfits):
        raise ValueError("two candidates are the same")
    return np.array([[row_of[one] for one in outfit] for outfit in outfits], dtype=np.int64)


def _find(folder: Path, name: str) -> Path | None:
    return next((file for place in _PLACES if (file := folder / place / name).is_file()), None)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, blank ones skipped; bytes that are no text make a bad line and not an end."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            if text := line.strip():
                yield number, text


def _lists(path: Path, report: FeedReport) -> dict[int, list[int]]:
    """First number of each line -> the others, each once."""
    found: dict[int, list[int]] = {}
    for number, text in _lines(path):
        report.rows_read += 1
        words = text.split()
        reason = ""
        if not all(_is_id(word) for word in words):
            reason = "whole numbers from 0 on are needed"
        elif len(words) < 2:
            reason = "nothing behind the first number"
        elif int(words[0]) in found:
            reason = "duplicate id"
        if reason:
            report.reject(number, words[0][:200], "row", f"{path.name}: {reason}", line=number)
            continue
        found[int(words[0])] = list(dict.fromkeys(int(word) for word in words[1:]))
    return found


def _known(
    path: Path,
    outfits: dict[int, list[int]] | set[int],
    report: FeedReport,
    train: dict[int, list[int]] | None = None,
) -> dict[int, list[int]]:
    """User -> her outfits that have items; of test also: by a user of train, and no click of train."""
    found: dict[int, list[int]] = {}
    for user, mine in _lists(path, report).items():
        if train is not None and user not in train:
            report.warn(f"{path.name}: user without a training click, left out")
            continue
        good = [outfit for outfit in mine if outfit in outfits]
        if len(good) < len(mine):
            what = "without items" if train is None else "without a training click"
            report.warn(f"{path.name}: click on an outfit {what}, left out", len(mine) - len(good))
        if train is not None:
            fresh = [outfit for outfit in good if outfit not in train[user]]
            if len(fresh) < len(good):
                report.warn(f"{path.name}: click that is in {TRAIN} too, left out", len(good) - len(fresh))
            good = fresh
        if good:
            found[user] = good
    return found


def _categories(path: Path | None, report: FeedReport) -> dict[int, int]:
    found: dict[int, int] = {}
    for number, text in [] if path is None else _lines(path):
        report.rows_read += 1
        words = text.split()
        if len(words) != 2 or not all(_is_id(word) for word in words) or int(words[0]) in found:
            assert path is not None
            reason = "an item, once, and its category are needed, both whole numbers"
            report.reject(number, words[0][:200], "row", f"{path.name}: {reason}", line=number)
            continue
        found[int(words[0])] = int(words[1])
    return found


def _features(path: Path | None) -> FloatArray | None:
    """(I, F) with rows of length 1, as the authors make them when they read the file."""
    if path is None:
        return None
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy meets a damaged header with anything from EOFError to tokenize.TokenError
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(found, np.ndarray) or found.ndim != 2 or found.dtype.kind != "f":
        raise ValueError(f"{path}: an array (items, width) of floats is needed")
    if found.nbytes > _MAX_FEATURES:
        raise ValueError(f"{path}: {found.nbytes:,} bytes, the limit is {_MAX_FEATURES:,}")
    features = np.asarray(found, dtype=np.float32)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    result: FloatArray = (features / np.where(length > 0, length, 1)).astype(np.float32, copy=False)
    return result


def _sampled(train: dict[int, list[int]], seed: int) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Train without the validation clicks, and these: one in ten of each user with `_FEWEST` or more."""
    rest, valid = {}, {}
    for user, mine in train.items():
        held: set[int] = set()
        if len(mine) >= _FEWEST:
            rng = np.random.default_rng((seed, user))
            held = set(rng.choice(mine, size=len(mine) // 10, replace=False).tolist())
            valid[user] = sorted(held)
        rest[user] = [outfit for outfit in mine if outfit not in held]
    return rest, valid
