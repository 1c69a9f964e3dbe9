"""What the model answers to a few prompts while it learns, always its likeliest words."""

from typing import Any

import torch
from transformers import GenerationConfig

from modules.training.encoding import SampleEncoder
from modules.training.forward import precision
from modules.training.methods import Learner
from modules.types.training import Objective


def answer(learner: Learner, encoder: SampleEncoder, objective: Objective, prompt: str, tokens: int) -> str:
    """At most `tokens` tokens. For chats the prompt is a person's message, for texts their beginning."""
    model = learner.model
    ids = torch.tensor([prompt_ids(encoder, objective, prompt)], device=learner.device)
    make: Any = GenerationConfig
    greedy = make(
        do_sample=False,
        max_new_tokens=tokens,
        use_cache=True,
        eos_token_id=model.generation_config.eos_token_id or encoder.tokenizer.eos_token_id,
        pad_token_id=encoder.tokenizer.pad_token_id or encoder.tokenizer.eos_token_id or 0,
        bos_token_id=encoder.tokenizer.bos_token_id,
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
    return encoder.tokenizer.decode(written[0], skip_special_tokens=True)


def prompt_ids(encoder: SampleEncoder, objective: Objective, prompt: str) -> list[int]:
    tokenizer = encoder.tokenizer
    if objective == "text":
        return tokenizer(prompt)["input_ids"] or [tokenizer.eos_token_id or 0]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        chat_template=encoder.chat_template,
        add_generation_prompt=True,
        tokenize=False,
    )
    return tokenizer(text, add_special_tokens=False)["input_ids"]
