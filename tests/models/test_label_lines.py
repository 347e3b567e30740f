"""Hyperplanes over words: against scikit-learn on the same features, rare and missing classes, the mix, saved and loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

sys.path.insert(0, str(Path(__file__).parent))
from by_hand import by_hand

from modiste.data.text import tokenize, train_wordpiece
from modiste.models.label_lines import LabelLines, Lines, fit_lines, mixed, word_features
from modiste.models.mvlt import SIZES, Mvlt
from modiste.models.mvlt_inference import Recogniser
from modiste.models.pretrained import PretrainedError, load_model, load_recogniser, save_pretrained
from modiste.types import Item

KINDS = ("dress", "jeans", "boots", "hat")
LABELS = {"kind": KINDS, "colour": ("red", "blue"), "shape": ("round",)}


def world(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids: a piece per kind (5-8) and colour (9-10) among noise (11-19), and the classes; shapes are never known."""
    random = np.random.default_rng(seed)
    kind, colour = random.integers(0, 4, count), random.integers(0, 2, count)
    noise = random.integers(11, 20, (count, 4))
    ids = np.concatenate([(5 + kind)[:, None], (9 + colour)[:, None], noise, np.zeros((count, 2), np.int64)], axis=1)
    classes = np.stack([kind, np.where(random.random(count) < 0.1, -100, colour), np.full(count, -100)], axis=1)
    return ids, classes


def test_features_are_those_of_scikit_learn() -> None:
    ids, _ = world(50, 0)
    counts = np.stack([np.bincount(row[row != 0], minlength=20) for row in ids])
    oracle = TfidfTransformer().fit(counts)
    idf = oracle.idf_.astype(np.float32)
    np.testing.assert_allclose(word_features(ids, idf).toarray(), oracle.transform(counts).toarray(), atol=1e-6)
    fitted = fit_lines(ids, world(50, 0)[1], LABELS, vocab_size=20)
    np.testing.assert_allclose(fitted.idf[1:], idf[1:], rtol=1e-6)
    assert word_features(np.zeros((2, 3), np.int64), idf).nnz == 0


def test_margins_are_those_of_the_machine_and_tell_the_classes() -> None:
    ids, classes = world(300, 0)
    lines = fit_lines(ids, classes, LABELS, vocab_size=20)
    assert set(lines.labels) == {"kind", "colour"}, "no planes where fewer than two classes occur"
    machine = LinearSVC(C=1.0, random_state=0).fit(word_features(ids, lines.idf), classes[:, 0])
    asked, true = world(200, 1)
    margins = lines.margins(asked)
    np.testing.assert_allclose(
        margins["kind"], machine.decision_function(word_features(asked, lines.idf)), atol=5e-3
    )  # planes are kept in fp16
    assert (margins["kind"].argmax(axis=1) == true[:, 0]).all()
    known = true[:, 1] >= 0
    assert (margins["colour"].argmax(axis=1) == true[:, 1])[known].all(), "two classes: one plane, both its sides"
    np.testing.assert_allclose(margins["colour"][:, 0], -margins["colour"][:, 1], atol=5e-3)


def test_rare_classes_weigh_more_as_asked() -> None:
    """Against a machine per class whose positives weigh (N / n) ** rarity, its negatives 1."""
    ids, classes = world(300, 0)
    kept = (classes[:, 0] != 3) | (np.arange(300) % 10 == 0)
    ids, classes = ids[kept], classes[kept][:, :1]
    times = np.bincount(classes[:, 0])
    lines = fit_lines(ids, classes, {"kind": KINDS}, vocab_size=20, regularisation=2.0, rarity=0.5)
    asked = world(200, 1)[0]
    margins = lines.margins(asked)["kind"]
    for number in range(len(KINDS)):
        positive = classes[:, 0] == number
        weights = np.where(positive, (times.max() / times[number]) ** 0.5, 1.0)
        machine = LinearSVC(C=2.0, random_state=0).fit(word_features(ids, lines.idf), positive, sample_weight=weights)
        expected = machine.decision_function(word_features(asked, lines.idf))
        np.testing.assert_allclose(margins[:, number], expected, atol=1e-2)
    alike = fit_lines(ids, classes, {"kind": KINDS}, vocab_size=20, regularisation=2.0)
    assert lines.labels["kind"].bias[3] > alike.labels["kind"].bias[3]


def test_a_class_without_training_items_is_never_the_likeliest() -> None:
    ids, classes = world(300, 0)
    lines = fit_lines(
        ids, classes, {"kind": (*KINDS, "sari"), "colour": ("red", "blue"), "shape": ("round",)}, vocab_size=20
    )
    margins = lines.margins(world(200, 1)[0])["kind"]
    assert margins.shape == (200, 5)
    assert (margins[:, 4] < margins[:, :4].max(axis=1)).all()


def test_the_mix_is_of_greatest_likelihood() -> None:
    """Words that know and a head that guesses: the head gets little say. The other way round it gets the greater one."""
    ids, classes = world(300, 0)
    asked, true = world(400, 1)
    lines = fit_lines(ids, classes, LABELS, vocab_size=20)
    random = np.random.default_rng(2)
    guessing = {"kind": random.normal(size=(400, 4)).astype(np.float32), "colour": random.normal(size=(400, 2))}
    truth = {name: true[:, at] for at, name in enumerate(LABELS)}

    def likelihood(mix: LabelLines, deep: dict[str, np.ndarray], name: str) -> float:
        logits = mix.logits(asked, deep)[name]
        known = truth[name] >= 0
        logits = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return float(logits[np.arange(400), truth[name].clip(0)][known].mean())

    chosen = mixed(lines, asked, guessing, truth)
    assert chosen.labels["kind"].share < 0.1 * chosen.labels["kind"].slope
    for factor in (0.8, 1.25):
        for field in ("slope", "share"):
            one = chosen.labels["kind"]
            values = {"slope": one.slope, "share": one.share} | {field: getattr(one, field) * factor}
            moved = LabelLines(chosen.idf, {"kind": Lines(one.weights, one.bias, **values)})
            assert likelihood(moved, guessing, "kind") <= likelihood(chosen, guessing, "kind") + 1e-6
    knowing = {"kind": 6 * np.eye(4, dtype=np.float32)[true[:, 0]], "colour": guessing["colour"]}
    shuffled = mixed(lines, random.permutation(asked), knowing, truth)
    assert shuffled.labels["kind"].share > 10 * shuffled.labels["kind"].slope


def test_shapes_that_do_not_fit_are_refused() -> None:
    ids, classes = world(20, 0)
    with pytest.raises(ValueError, match=r"\(20, 3\) for 20 items and 1 labels"):
        fit_lines(ids, classes, {"kind": KINDS}, vocab_size=20)
    with pytest.raises(ValueError, match="the lines of kind"):
        LabelLines(np.zeros(5, np.float32), {"kind": Lines(np.zeros((4, 2), np.float16), np.zeros(2, np.float32))})


def test_a_recogniser_listens_to_words_where_there_are_any(tmp_path: Path) -> None:
    torch.manual_seed(0)
    titles = [f"{colour} {kind}" for kind in KINDS for colour in ("red", "blue")] * 4
    tokenizer = train_wordpiece(titles, vocab_size=120)
    labels = {"kind": KINDS}
    model = Mvlt(SIZES["debug"], labels=labels)
    classes = np.array([[KINDS.index(title.split()[1])] for title in titles])
    context = SIZES["debug"].context_length
    lines = fit_lines(tokenize(tokenizer, titles, context)[0], classes, labels, vocab_size=SIZES["debug"].vocab_size)
    lines = LabelLines(lines.idf, {"kind": Lines(lines.labels["kind"].weights, lines.labels["kind"].bias, 5.0, 0.1)})
    folder = save_pretrained(tmp_path / "model", model, tokenizer, name="n", lines=lines)
    plain = save_pretrained(tmp_path / "plain", model, tokenizer, name="n")
    assert load_model(folder).sha256 != load_model(plain).sha256
    photo = np.random.default_rng(0).integers(0, 256, (40, 32, 3), dtype=np.uint8)
    asked = [Item("a", "blue hat", photo), Item("b", "", photo), Item("c", "red boots")]
    names, found = load_recogniser(folder).recognise(asked)["kind"]
    _, deep = Recogniser(model, tokenizer).recognise(asked)["kind"]
    assert names[found[0].argmax()] == "hat"
    assert names[found[2].argmax()] == "boots"
    np.testing.assert_allclose(found[1], deep[1], atol=2e-3)  # nothing said: the photo alone; weights are kept in fp16
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    file = folder / "label_lines.safetensors"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(PretrainedError, match="label_lines"):
        load_model(folder)
    by_hand(folder)
    save_file({"idf": lines.idf}, file)
    with pytest.raises(PretrainedError, match="label_lines"):
        load_model(folder)
    file.unlink()
    with pytest.raises(PretrainedError, match="is missing"):
        load_model(folder)
