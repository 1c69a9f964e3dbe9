"""A recipe of finetuning: the whole truth of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from modules.types.datasets import DataSource

Objective = Literal["chat", "text"]
Method = Literal["lora", "rslora", "dora", "full", "prompt_tuning"]
BaseWeights = Literal["bfloat16", "float32", "int8", "nf4"]
OptimizerName = Literal["adamw", "adamw_8bit", "adafactor", "sgd"]
Schedule = Literal["constant", "linear", "cosine"]
RunName = Annotated[str, StringConstraints(min_length=1, max_length=120)]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=4000)]

SIMPLE: dict[str, Any] = {"simple": True}


class Recipe(BaseModel):
    """The whole truth of a run. A field that is None is chosen for model, data and machine, and then written down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(max_length=500, description="The model to teach, by its name.", json_schema_extra=SIMPLE)
    name: RunName = Field(description="What the result is called.", json_schema_extra=SIMPLE)
    data: DataSource = Field(description="What it learns from.", json_schema_extra=SIMPLE)
    objective: Objective | None = Field(
        None, description="chat: answers to learn; text: every token of plain text.", json_schema_extra=SIMPLE
    )
    method: Method | None = Field(
        None,
        description="lora, rslora, dora: a small adapter; full: all weights; prompt_tuning: a few vectors.",
        json_schema_extra=SIMPLE,
    )
    base_weights: BaseWeights | None = Field(
        None, description="How the model's own weights are kept meanwhile; nf4 with lora is QLoRA."
    )
    targets: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] | None = Field(
        None, max_length=64, description="Layers that get an adapter: all-linear, or the ends of their names."
    )
    rank: int | None = Field(None, ge=1, le=2048, description="Size of the adapter's matrices.")
    alpha: float | None = Field(None, gt=0, le=4096, description="How strongly the adapter counts.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of the adapter's inputs left out at random.")
    prompt_tokens: int | None = Field(None, ge=1, le=512, description="Vectors that prompt tuning puts in front.")
    max_length: int | None = Field(None, ge=8, le=1_048_576, description="Tokens of a sample.")
    too_long: Literal["truncate", "drop"] = Field("truncate", description="What becomes of longer samples.")
    train_on: Literal["assistant", "all"] = Field(
        "assistant", description="Which tokens of a chat are learned: the assistant's, or all."
    )
    packing: bool | None = Field(None, description="Several samples in one row, kept apart from each other.")
    batch_size: int | None = Field(None, ge=1, le=4096, description="Rows in one pass: packs, or samples.")
    accumulation: int | None = Field(None, ge=1, le=4096, description="Passes before the weights are changed.")
    epochs: float | None = Field(None, gt=0, le=10_000, description="How often all samples are seen.")
    steps: int | None = Field(
        None, ge=1, le=10_000_000, description="Changes of the weights, instead of epochs.", json_schema_extra=SIMPLE
    )
    learning_rate: float | None = Field(None, gt=0, le=10, description="How far each step goes.")
    schedule: Schedule = Field("cosine", description="How the learning rate falls.")
    warmup_share: float = Field(0.03, ge=0, le=1, description="Share of the steps in which it rises first.")
    optimizer: OptimizerName | None = Field(None, description="How steps follow from gradients.")
    weight_decay: float = Field(0.0, ge=0, le=10, description="How strongly weights are drawn to zero.")
    max_gradient_norm: float = Field(1.0, ge=0, le=1e6, description="Longer gradients are shortened; 0: never.")
    gradient_checkpointing: bool | None = Field(None, description="Computes more and keeps less in memory.")
    seed: int = Field(42, ge=0, le=2**32 - 1, description="The same seed gives the same run.")
    evaluation_share: float | None = Field(
        None, ge=0, le=0.9, description="Samples held out of training and used to judge it; 0: none."
    )
    evaluation_data: DataSource | None = Field(None, description="Samples to judge by, instead of a share.")
    evaluate_every: int | None = Field(None, ge=1, description="Steps between two evaluations.")
    checkpoint_every: int | None = Field(None, ge=1, description="Steps between two checkpoints.")
    keep_checkpoints: int = Field(2, ge=1, le=1000, description="The newest so many are kept, and the best one.")
    patience: int = Field(0, ge=0, le=1000, description="Ends after so many evaluations without a better one; 0: off.")
    keep_best: bool = Field(True, description="The result is the best checkpoint rather than the last.")
    probes: tuple[Prompt, ...] = Field(
        (), max_length=8, description="Prompts answered before the run and at every checkpoint."
    )
    probe_tokens: int = Field(64, ge=1, le=1024, description="Length of those answers.")
    processes: int = Field(1, ge=1, le=64, description="Processes that train together, each on its share of the rows.")
    machines: int = Field(1, ge=1, le=64, description="Machines over which the processes are spread evenly.")
    main_address: str = Field("", max_length=253, description="Under which the other machines reach this one.")

    @property
    def processes_here(self) -> int:
        """Of each machine."""
        return self.processes // self.machines


@dataclass(frozen=True)
class StoredRecipe:
    """A recipe kept by its name. `fields` are those it sets: a model, a name and data may be left out.

    `problem` says why it cannot be used; it is empty for a sound one.
    """

    name: str
    fields: Mapping[str, Any]
    description: str = ""
    is_shipped: bool = False
    problem: str = ""
