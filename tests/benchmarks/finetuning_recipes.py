"""One way of finetuning in a process of its own: the real tokens it learns a second, and its peak memory, as a line.

usage: python -m tests.benchmarks.finetuning_recipes MODEL_FOLDER RECIPE STEPS
RECIPE: ours | trainer_float32 | trainer_bfloat16 | trl_packing | losses (packed samples' against each alone)
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from modules.machine import usable_cores
from modules.storage.recipe_files import written_recipe
from modules.training.collating import Collator
from modules.training.distributed import Group
from modules.training.encoding import load_tokenizer, open_encoder
from modules.training.forward import prepare_forward
from modules.training.methods import make_learner
from modules.training.orders import Order
from modules.training.running import SAMPLES, read_table, train
from modules.training.samples import write_samples
from modules.types.datasets import DataSource, Example, Turn
from modules.types.recipes import Recipe
from modules.types.training import Metrics

LENGTH, RANK, ALPHA, RATE, BATCH = 512, 8, 16, 3e-4, 4
CHATS = 400
WHO, WHERE = ("fox", "owl", "crab", "bear", "heron", "otter"), ("harbour", "mill", "forest", "market", "tower")
WHAT = ("lantern", "map", "bell", "rope", "cup", "drum", "letter")
# Sentences in an answer; together with the template's own text a chat has about 100 tokens.
SENTENCES = (1, 1, 1, 2, 2, 3, 6)


@dataclass
class Measured:
    """Steps from the second on: the first pays for what is set up once."""

    tokens: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0
    steps: int = 0
    last: float = field(default_factory=time.perf_counter)

    def step(self, tokens: int) -> None:
        now = time.perf_counter()
        if self.steps:
            self.tokens += tokens
            self.seconds += now - self.last
        self.steps, self.last = self.steps + 1, now

    def line(self) -> str:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        peak = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        figures = {"tokens_per_second": self.tokens / self.seconds, "peak_bytes": max(peak, self.peak_bytes)}
        return json.dumps(figures)


def chats() -> list[Example]:
    chance = random.Random(0)
    found: list[Example] = []
    for row in range(CHATS):
        who, where = chance.choice(WHO), chance.choice(WHERE)
        told = " ".join(
            f"At the {where} the {who} traded a {chance.choice(WHAT)} with the {chance.choice(WHO)} for a "
            f"{chance.choice(WHAT)} and walked home."
            for _ in range(chance.choice(SENTENCES))
        )
        turns = (Turn("user", f"What did the {who} do at the {where}?"), Turn("assistant", told))
        found.append(Example(turns=turns, row=row + 1))
    return found


def recipe_of(steps: int) -> Recipe:
    return Recipe(
        model="benchmark", name="benchmark", data=DataSource(dataset="chats"), objective="chat", method="lora",
        base_weights="bfloat16", targets=("all-linear",), rank=RANK, alpha=ALPHA, max_length=LENGTH, train_on="all",
        packing=True, batch_size=1, accumulation=1, steps=steps, learning_rate=RATE, warmup_share=0, schedule="constant",
        optimizer="adamw", gradient_checkpointing=False, checkpoint_every=steps,
    )  # fmt: skip


class StepClock:
    """Listens to our own training."""

    def __init__(self) -> None:
        self.measured = Measured()
        self._tokens = 0

    def begin(self, step: int) -> None:
        pass

    def say(self, sentence: str) -> None:
        pass

    def status(self, note: str, step: int, total_steps: int) -> None:
        pass

    def metrics(self, metrics: Metrics) -> None:
        if metrics.kind == "step":
            self.measured.step(metrics.tokens - self._tokens)
            self._tokens = metrics.tokens
            self.measured.peak_bytes = max(self.measured.peak_bytes, metrics.memory_bytes)


def ours(model: Path, steps: int) -> str:
    clock = StepClock()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "recipe.yaml").write_text(written_recipe(recipe_of(steps + 1)), encoding="utf-8")
        write_samples(folder / SAMPLES, chats())
        end = train(Order(folder, model, usable_cores()), Group(), clock, lambda: False)
    assert end["kind"] == "done", end
    return clock.measured.line()


def token_lists(model: Path) -> list[list[int]]:
    encoder = open_encoder(model, recipe_of(1))
    return [sample.input_ids for chat in chats() for sample in encoder.encode(chat)]


def adapted(model: Path, dtype: torch.dtype) -> Any:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    models: Any = AutoModelForCausalLM
    loaded = models.from_pretrained(model, dtype=dtype)
    return get_peft_model(loaded, lora_config(LoraConfig))


def lora_config(make: Any) -> Any:
    return make(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")


def callbacks(on_step: Callable[[], None]) -> list[Any]:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            on_step()

    return [Clock()]


def common_arguments(steps: int) -> dict[str, Any]:
    return {
        "output_dir": tempfile.mkdtemp(),
        "max_steps": steps + 1,
        "learning_rate": RATE,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": not torch.cuda.is_available(),
        "bf16": False,
        "disable_tqdm": True,
    }


def trainer(model: Path, steps: int, dtype: torch.dtype) -> str:
    """The usual script: rows padded to one length."""
    from transformers import Trainer, TrainingArguments

    measured, seen = Measured(), [0]

    def collate(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        lists = [row["input_ids"][:LENGTH] for row in rows]
        seen[0] = sum(map(len, lists))
        ids = torch.tensor([ids + [0] * (LENGTH - len(ids)) for ids in lists])
        mask = torch.tensor([[1] * len(ids) + [0] * (LENGTH - len(ids)) for ids in lists])
        return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}

    make: Any = TrainingArguments
    arguments = make(per_device_train_batch_size=BATCH, remove_unused_columns=False, **common_arguments(steps))
    rows: Any = [{"input_ids": ids} for ids in token_lists(model)]
    run: Any = Trainer(
        model=adapted(model, dtype), args=arguments, train_dataset=rows, data_collator=collate,
        callbacks=callbacks(lambda: measured.step(seen[0])),
    )  # fmt: skip
    run.train()
    return measured.line()


def trl_packing(model: Path, steps: int) -> str:
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found]

    models: Any = AutoModelForCausalLM
    sets: Any = Dataset
    measured = Measured()
    messages = [[{"role": turn.role, "content": turn.content} for turn in chat.turns] for chat in chats()]
    arguments: Any = SFTConfig(
        per_device_train_batch_size=1, max_length=LENGTH, packing=True, gradient_checkpointing=False,
        **common_arguments(steps),
    )  # fmt: skip
    run: Any = SFTTrainer(
        model=models.from_pretrained(model, dtype=torch.bfloat16),
        args=arguments,
        train_dataset=sets.from_dict({"messages": messages}),
        processing_class=load_tokenizer(model),
        peft_config=lora_config(LoraConfig),
        callbacks=callbacks(lambda: measured.step(0)),
    )
    packs = [len(row["input_ids"]) for row in run.train_dataset]
    run.train()
    # Which packs it drew is not told; all are almost full.
    measured.tokens = round(sum(packs) / len(packs) * steps)
    return measured.line()


def losses(model: Path, steps: int) -> str:
    """How far the loss of a sample within packs is from its loss alone, through the model's own logits."""
    recipe = recipe_of(steps)
    forward = prepare_forward(make_learner(model, recipe, torch.device("cpu")))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / SAMPLES
        write_samples(path, chats()[: 5 * steps])
        table = read_table(path, open_encoder(model, recipe))
    collator = Collator(table, True, 0, torch.device("cpu"))
    packed = alone = 0.0
    worst = 0.0
    with torch.no_grad():
        for first in range(0, len(table), 5):
            batch = collator.batch(range(first, min(first + 5, len(table))))
            within = float(forward.summed_loss(batch))
            reference = sum(
                loss_alone(forward.learner.model, table.sample(index)[0])
                for index in range(first, min(first + 5, len(table)))
            )
            packed, alone = packed + within, alone + reference
            worst = max(worst, abs(within / reference - 1))
    return json.dumps({"difference": abs(packed / alone - 1), "worst_pack": worst})


def loss_alone(model: Any, ids: torch.Tensor) -> float:
    long = ids.long()
    logits = model(input_ids=long[None], use_cache=False).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, long[1:], reduction="sum"))


def main() -> None:
    model, name, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    torch.set_num_threads(usable_cores())
    torch.manual_seed(0)
    ways: dict[str, Callable[[], str]] = {
        "ours": lambda: ours(model, steps),
        "trainer_float32": lambda: trainer(model, steps, torch.float32),
        "trainer_bfloat16": lambda: trainer(model, steps, torch.bfloat16),
        "trl_packing": lambda: trl_packing(model, steps),
        "losses": lambda: losses(model, steps),
    }
    print(ways[name]())


if __name__ == "__main__":
    main()
