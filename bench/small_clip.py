"""A CLIP of a small size with random weights, as a folder that transformers, sentence-transformers and Modiste all read.

Speed does not ask what the weights say. Its tokenizer is byte-level BPE without merges: a letter is a token, so a title of 40
letters is as long as one can be in most shops.
"""

from __future__ import annotations

from pathlib import Path


def write_small_clip(folder: Path, *, width: int = 256, depth: int = 6, image_size: int = 224, seed: int = 0) -> Path:
    """Write the folder unless it is there."""
    import torch
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor, PreTrainedTokenizerFast
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    if (folder / "model.safetensors").is_file():
        return folder
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    start, end = "<|startoftext|>", "<|endoftext|>"
    tokens = [start, *letters, *(f"{letter}</w>" for letter in letters), end]
    tokenizer = Tokenizer(
        models.BPE({token: n for n, token in enumerate(tokens)}, [], unk_token=end, end_of_word_suffix="</w>")
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, 0), (end, len(tokens) - 1)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=start, eos_token=end, unk_token=end, pad_token=end, model_max_length=77
    )
    torch.manual_seed(seed)
    shared = {
        "hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": depth, "num_attention_heads": width // 64,
    }  # fmt: skip
    text = shared | {
        "vocab_size": len(tokens), "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": len(tokens) - 1,
        "pad_token_id": len(tokens) - 1,
    }  # fmt: skip
    config = CLIPConfig(
        text_config=text, vision_config=shared | {"image_size": image_size, "patch_size": 32}, projection_dim=width
    )
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessorPil(
        size={"shortest_edge": image_size}, crop_size={"height": image_size, "width": image_size}
    )
    CLIPProcessor(image_processor=images, tokenizer=fast).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
