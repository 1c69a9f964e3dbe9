"""What the model answers to a few prompts while it learns, always its likeliest words."""

from typing import Any

import torch
from transformers import GenerationConfig

from modules.training.collating import FILLER
from modules.training.encoding import SampleEncoder
from modules.training.forward import precision
from modules.training.methods import Learner


def answer(learner: Learner, encoder: SampleEncoder, prompt: str, tokens: int) -> str:
    """At most `tokens` tokens. For chats the prompt is a person's message, for texts their beginning."""
    model = learner.model
    ids = torch.tensor([encoder.prompt_ids(prompt)], device=learner.device)
    make: Any = GenerationConfig
    tokenizer = encoder.tokenizer
    ends = model.generation_config.eos_token_id
    greedy = make(
        do_sample=False,
        max_new_tokens=tokens,
        use_cache=True,
        eos_token_id=tokenizer.eos_token_id if ends is None else ends,
        # Named, so that transformers need not warn; a single row is never padded.
        pad_token_id=FILLER,
    )
    model.eval()
    with torch.no_grad(), precision(learner):
        if learner.prompt is None:
            written = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=greedy)
            written = written[:, ids.shape[1] :]
        else:
            embeddings = model.get_input_embeddings()(ids)
            inputs = torch.cat([learner.prompt.to(embeddings.dtype)[None], embeddings], 1)
            mask = torch.ones(inputs.shape[:2], dtype=torch.long, device=learner.device)
            written = model.generate(inputs_embeds=inputs, attention_mask=mask, generation_config=greedy)
    return tokenizer.decode(written[0], skip_special_tokens=True)
