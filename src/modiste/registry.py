"""Which encoders there are: `architecture.tag`, with licence, data, fingerprint and the scores to expect.

Kept apart from `models.pretrained`, which loads them, so that listing them imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Pretrained:
    """A model that ships with Modiste, or a published one known to work."""

    name: str
    summary: str
    license: str
    data: str
    sha256: str = ""  # of weights, configuration and tokenizer together; empty for hub models
    hub: str = ""  # organisation/model on the Hugging Face hub
    languages: tuple[str, ...] = ("en",)  # that its texts were in
    code_license: str = "Apache-2.0"  # of the code that runs it: ours, or transformers'
    data_terms: str = ""  # what the data's own licence allows, in a sentence
    can: tuple[str, ...] = ("encode",)  # of encode, rerank, tag, imagine, compose, caption: what commands may ask of it
    scores: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def ships(self) -> bool:
        return not self.hub


_PRODUCTS = (
    "published under the MIT licence by whoever put it together; the photos are a retailer's, so none of them and no row of "
    "the table is part of this repository"
)
_UNKNOWN = "not published: whether it may be used for your purpose is for the model's own card to say"
DEFAULT = "mvlt_small.products_v1"
FAME_VIL = "fame_vil_small.products_v1"  # what writes captions and fuses photo with words, where none is named

PRETRAINED: dict[str, Pretrained] = {
    one.name: one
    for one in (
        Pretrained(
            name=DEFAULT,
            summary="our MVLT on the dual encoder's towers, 60x80 photos; runs on a laptop's processor",
            license="Apache-2.0",
            data="Fashion Product Images (Small), MIT, train split; the atelier's generated catalogue",
            data_terms=_PRODUCTS,
            sha256="4001c3d1602328f693443536ffc0cfe76c34f9fd3374770ba9ce497760c5d9a2",
            can=("encode", "rerank", "tag", "imagine"),
            scores=MappingProxyType(
                {
                    "1-of-101 t2i_R@1": 46.1,
                    "1-of-101 t2i_R@5": 80.6,
                    "1-of-101 t2i_R@10": 89.3,
                    "1-of-101 i2t_R@1": 52.2,
                    "1-of-101 i2t_R@5": 81.8,
                    "1-of-101 i2t_R@10": 90.5,
                }
            ),
        ),
        Pretrained(
            name=FAME_VIL,
            summary="our FAME-ViL, 60x80 photos: photo and words as one query, captions; one small model for four tasks",
            license="Apache-2.0",
            data="Fashion Product Images (Small), MIT, train split; vectors of mvlt_small.products_v1",
            data_terms=_PRODUCTS,
            sha256="52476cfccc7be16f2c9f011bfb7e7d5dfebb5af8ea8f4d118cc8758912441b8b",
            can=("encode", "compose", "caption"),
            scores=MappingProxyType(
                {
                    "1-of-101 t2i_R@1": 34.7,
                    "1-of-101 t2i_R@10": 83.7,
                    "1-of-101 i2t_R@1": 41.5,
                    "1-of-101 i2t_R@10": 84.0,
                    "composed R@10": 50.1,
                    "composed right_R@10": 73.3,
                }
            ),
        ),
        Pretrained(
            name="fashion_clip.vit_b32",
            summary="FashionCLIP 2.0: CLIP ViT-B/32 tuned on Farfetch products",
            license="MIT",
            data="Farfetch (not released)",
            data_terms=_UNKNOWN,
            hub="patrickjohncyh/fashion-clip",
        ),
        Pretrained(
            name="marqo_fashion_siglip.vit_b16",
            summary="Marqo-FashionSigLIP: SigLIP ViT-B/16 tuned on fashion products",
            license="Apache-2.0",
            data="Marqo (not released)",
            data_terms=_UNKNOWN,
            hub="Marqo/marqo-fashionSigLIP",
        ),
        Pretrained(
            name="clip.vit_b32_openai",
            summary="OpenAI CLIP ViT-B/32, general purpose",
            license="MIT",
            data="WebImageText (not released)",
            data_terms=_UNKNOWN,
            hub="openai/clip-vit-base-patch32",
        ),
        Pretrained(
            name="siglip.vit_b16_224",
            summary="SigLIP ViT-B/16 at 224 px, general purpose",
            license="Apache-2.0",
            data="WebLI (not released)",
            data_terms=_UNKNOWN,
            hub="google/siglip-base-patch16-224",
        ),
    )
}
