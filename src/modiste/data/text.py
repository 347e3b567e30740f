"""Tokenizers: WordPiece trained on a catalogue's own words, or any tokenizer a checkpoint brings along.

Fashion titles are short ("Nike Men Black Air Max Sports Shoes"), so the own vocabulary is small and the context too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SPECIAL_TOKENS = [PAD, UNK, CLS, SEP, MASK]


def train_wordpiece(texts: Iterable[str], *, vocab_size: int = 8192, min_frequency: int = 2) -> Tokenizer:
    """A lower-casing WordPiece tokenizer (BERT's scheme) learned from `texts`; the same texts give the same tokenizer.

    A few more than `vocab_size` pieces can come of it: every single character is kept.

    Raises
    ------
    ValueError
        If there is no text to learn from.
    """
    corpus = [text for text in texts if text.strip()]
    if not corpus:
        raise ValueError("a tokenizer cannot be trained: none of the items has a text")
    # The library's own WordPiece trainer numbers continuation pieces in hash order, so two runs disagree; its BPE trainer
    # does not. Pieces are learned with "\N{LOWER ONE EIGHTH BLOCK}" marking a word's start and then renamed.
    normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizer
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Metaspace(prepend_scheme="always", split=False)]
    )
    learner.train_from_iterator(
        sorted(corpus),
        trainers.BpeTrainer(
            vocab_size=vocab_size - len(SPECIAL_TOKENS), min_frequency=min_frequency, show_progress=False
        ),
    )
    learned = sorted(learner.get_vocab().items(), key=lambda entry: entry[1])
    start = "\N{LOWER ONE EIGHTH BLOCK}"
    pieces = [token[1:] if token.startswith(start) else f"##{token}" for token, _ in learned if token != start]
    # A lone character can begin a word even if none of the corpus does, and the other way round.
    pieces += [token for token, _ in learned if len(token) == 1 and token != start]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys([*SPECIAL_TOKENS, *pieces]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNK, max_input_chars_per_word=64))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], context_length: int) -> tuple[NDArray, NDArray]:
    """Token ids (B, L) int64 and attention_mask (B, L) bool (True = attend); longer texts are cut, none is empty.

    An empty text becomes a single [CLS], so every row attends to at least one token.
    """
    cls_id, pad_id = (token_id(tokenizer, token) for token in (CLS, PAD))
    token_ids = np.full((len(texts), context_length), pad_id, dtype=np.int64)
    for row, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        ids = [cls_id, *encoding.ids[: context_length - 1]]
        token_ids[row, : len(ids)] = ids
    return token_ids, token_ids != pad_id


def sentence_ids(
    tokenizer: Tokenizer, texts: Sequence[str], *, bos_id: int, eot_id: int, context_length: int
) -> tuple[NDArray, NDArray]:
    """`tokenize` for a causal model: start token, words, end token, then zeros; the end token is never cut off.

    Works for any tokenizer: the words are its own, start and end are given. Only the mask tells padding from a word 0.
    """
    token_ids = np.zeros((len(texts), context_length), dtype=np.int64)
    mask = np.zeros(token_ids.shape, dtype=np.bool_)
    for row, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        ids = [bos_id, *encoding.ids[: context_length - 2], eot_id]
        token_ids[row, : len(ids)] = ids
        mask[row, : len(ids)] = True
    return token_ids, mask


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a special token; raises `ValueError` when the tokenizer has none."""
    number = tokenizer.token_to_id(token)
    if number is None:
        raise ValueError(f"the tokenizer has no {token}; it is not one of ours")
    return number


def canonical_json(tokenizer: Tokenizer) -> str:
    """The tokenizer as canonical JSON, for hashing: equal tokenizers give equal strings."""
    return json.dumps(json.loads(tokenizer.to_str()), sort_keys=True, ensure_ascii=False)


def document_counts(token_ids: NDArray[np.integer], vocab_size: int) -> NDArray[np.int64]:
    """(V,): how many of the texts (..., L), padded with 0, have each piece."""
    rows = np.sort(token_ids.reshape(-1, token_ids.shape[-1]), axis=1)
    first = rows != 0  # where a text has a piece for the first time, once its pieces are in order
    first[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    return np.bincount(rows[first], minlength=vocab_size).astype(np.int64)
