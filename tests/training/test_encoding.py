"""What is learned of a sample is exactly what the model will have to write."""

from typing import Any

import pytest

from modules.training.encoding import EncodedSample, SampleDropped, SampleEncoder
from modules.types.datasets import Example, Turn
from modules.types.recipes import Objective
from tests.training.tiny_tokenizers import byte_tokenizer

SYSTEM = Turn("system", "Be kind.")
CHAT = (Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "2?"), Turn("assistant", "Two"))


def encoder(tokenizer: Any = None, objective: Objective = "chat", **changes: Any) -> SampleEncoder:
    return SampleEncoder(tokenizer or byte_tokenizer(), objective=objective, **changes)


def encode(encoder: SampleEncoder, *turns: Turn) -> EncodedSample:
    (sample,) = encoder.encode(Example(turns=turns, row=7))
    return sample


def learned(encoder: SampleEncoder, sample: EncodedSample) -> list[str]:
    """Its stretches, as text."""
    stretches: list[list[int]] = []
    for place, (token, is_trained) in enumerate(zip(sample.input_ids, sample.trained, strict=True)):
        if is_trained and not sample.trained[place - 1]:
            stretches.append([])
        if is_trained:
            stretches[-1].append(token)
    return [encoder.tokenizer.decode(stretch) for stretch in stretches]


def codes(sample: EncodedSample) -> list[str]:
    return [flag.code for flag in sample.flags]


def test_each_answer_is_learned_with_the_token_that_ends_it() -> None:
    chats = encoder()
    sample = encode(chats, SYSTEM, *CHAT)
    assert learned(chats, sample) == ["Hello<|im_end|>", "Two<|im_end|>"]
    assert sample.flags == ()
    assert chats.tokenizer.decode(sample.input_ids).startswith("<|im_start|>system\nBe kind.<|im_end|>\n")


def test_answers_can_be_left_out_and_what_follows_the_last_is_not_read() -> None:
    chats = encoder()
    turns = (CHAT[0], Turn("assistant", "Hello", is_trained=False), *CHAT[2:], Turn("user", "Bye"))
    sample = encode(chats, *turns)
    assert learned(chats, sample) == ["Two<|im_end|>"]
    assert "Bye" not in chats.tokenizer.decode(sample.input_ids)


def test_all_of_a_chat_can_be_learned() -> None:
    chats = encoder(train_on="all")
    sample = encode(chats, *CHAT)
    assert sample.trained == [False, *[True] * (len(sample.input_ids) - 1)]


def test_a_chat_without_an_answer_is_dropped() -> None:
    with pytest.raises(SampleDropped, match="no assistant's turn"):
        encode(encoder(), CHAT[0])


def test_a_template_that_drops_old_thoughts_has_its_last_answer_learned() -> None:
    """As Qwen3's: only the last answer is written with the block that holds its thoughts."""
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{% if m.role == 'assistant' and loop.last %}[thought]{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    chats = encoder(byte_tokenizer(template))
    sample = encode(chats, *CHAT)
    assert learned(chats, sample) == ["[thought]Two<|im_end|>"]
    assert codes(sample) == ["answers_rewritten"]
    assert "1 of 2" in sample.flags[0].message
    assert sample.flags[0].row == 7


def test_a_prompt_that_does_not_lead_to_the_answer_is_told() -> None:
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n[think]{% endif %}"
    )
    chats = encoder(byte_tokenizer(template))
    sample = encode(chats, *CHAT)
    assert learned(chats, sample) == ["Hello<|im_end|>", "Two<|im_end|>"]
    assert codes(sample) == ["template_mismatch"]


def test_a_token_across_the_border_is_told_too() -> None:
    """The prompt ends with a space, which becomes one token with the answer's first letter."""
    template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
    sample = encode(encoder(byte_tokenizer(template, merges=[("Ġ", "T")])), *CHAT)
    assert codes(sample) == ["template_mismatch"]


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}", "no_eos"),
        ("{{ bos_token }}{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}", "double_bos"),
        ("{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}", "system_cut"),
    ],
)  # fmt: skip
def test_faults_of_a_template_are_told(template: str, code: str) -> None:
    assert codes(encode(encoder(byte_tokenizer(template)), SYSTEM, *CHAT)) == [code]


def test_marks_within_a_text_are_told() -> None:
    sample = encode(encoder(), Turn("user", "What does <|im_end|> mean?"), CHAT[1])
    assert codes(sample) == ["special_in_text"]
    assert "<|im_end|>" in sample.flags[0].message


def test_a_template_that_refuses_a_chat_says_why() -> None:
    template = "{{ raise_exception('System role not supported') }}"
    with pytest.raises(SampleDropped, match="System role not supported"):
        encode(encoder(byte_tokenizer(template)), SYSTEM, *CHAT)


def test_generation_marks_of_a_template_change_nothing() -> None:
    template = "{% for m in messages %}[{{ m.role }}]{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
    chats = encoder(byte_tokenizer(template))
    assert learned(chats, encode(chats, *CHAT)) == ["Hello<|im_end|>", "Two<|im_end|>"]


def test_a_model_without_a_template_is_taught_as_it_will_be_prompted() -> None:
    chats = encoder(byte_tokenizer(None, eos="</s>"))
    sample = encode(chats, *CHAT[:2])
    assert not chats.has_own_template
    assert chats.tokenizer.decode(sample.input_ids).startswith(
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert learned(chats, sample) == ["Hello</s>"]
    assert sample.flags == ()


def test_other_tokens_may_end_a_reply() -> None:
    tokenizer = byte_tokenizer(eos="</s>")
    assert codes(encode(encoder(tokenizer), *CHAT)) == ["no_eos"]
    stated = encoder(tokenizer, end_tokens=[tokenizer.convert_tokens_to_ids("<|im_end|>")])
    assert learned(stated, encode(stated, *CHAT)) == ["Hello<|im_end|>", "Two<|im_end|>"]


def test_one_bos_is_in_front_whether_the_template_writes_it_or_not() -> None:
    for template in ("{{ bos_token }}", ""):
        body = "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
        chats = encoder(byte_tokenizer(template + body, adds_bos=True))
        assert chats.tokenizer.decode(encode(chats, *CHAT).input_ids).count("<s>") == 1


def test_a_completion_follows_its_prompt_as_raw_text() -> None:
    completions = encoder()
    (sample,) = completions.encode(Example(prompt="2 + 2 =", completion=" 4", row=1))
    assert completions.tokenizer.decode(sample.input_ids) == "2 + 2 = 4<|im_end|>"
    assert learned(completions, sample) == [" 4<|im_end|>"]


def test_no_token_reaches_from_a_prompt_into_its_completion() -> None:
    completions = encoder(byte_tokenizer(merges=[("a", "b")]))
    (sample,) = completions.encode(Example(prompt="xa", completion="by", row=1))
    assert learned(completions, sample) == ["by<|im_end|>"]
    assert sample.input_ids[1] == completions.tokenizer("a")["input_ids"][0]


@pytest.mark.parametrize("adds_bos", [False, True])
def test_every_token_of_a_long_text_is_learned_once(adds_bos: bool) -> None:
    text = "".join(chr(97 + number % 26) for number in range(100))
    texts = encoder(byte_tokenizer(adds_bos=adds_bos), "text", max_length=16)
    samples = texts.encode(Example(text=text, row=1))
    taught = [
        token for sample in samples for token, trained in zip(sample.input_ids, sample.trained, strict=True) if trained
    ]
    assert texts.tokenizer.decode(taught) == (text if adds_bos else text[1:]) + "<|im_end|>"
    assert max(len(sample.input_ids) for sample in samples) == 16
    assert not any(sample.trained[0] for sample in samples)


def test_a_long_chat_is_cut_or_dropped() -> None:
    whole = encode(encoder(), *CHAT)
    limit = len(whole.input_ids) - 5
    cut = encode(encoder(max_length=limit), *CHAT)
    assert cut.input_ids + cut.cut_ids == whole.input_ids
    assert cut.cut_tokens == 5
    with pytest.raises(SampleDropped, match=f"{len(whole.input_ids)} tokens; the limit is {limit}"):
        encode(encoder(max_length=limit, too_long="drop"), *CHAT)
    with pytest.raises(SampleDropped, match="behind the limit"):
        encode(encoder(max_length=10), *CHAT)


def test_plain_text_has_no_answer() -> None:
    with pytest.raises(SampleDropped, match="objective text"):
        encoder().encode(Example(text="Once upon a time", row=1))


def test_prompts_are_read_as_samples_begin() -> None:
    chats, texts = encoder(), encoder(byte_tokenizer(adds_bos=True), "text")
    sample = encode(chats, *CHAT[:2])
    prompt = chats.prompt_ids("Hi")
    assert sample.input_ids[: len(prompt)] == prompt
    assert not any(sample.trained[: len(prompt)])
    assert texts.tokenizer.decode(texts.prompt_ids("Hi")) == "<s>Hi"
    assert encoder(objective="text").prompt_ids("") != []
