"""/control/training: finetuning runs, and what came of them."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import Field

from modules.api.datasets import require_may_read
from modules.api.recipes import Fields, Name, NameRequest, given
from modules.api.side_by_side import side_by_side
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.limits import LIMITS
from modules.services.recipe_fields import recipe_fields
from modules.storage.recipe_files import plain_fields, whole_recipe
from modules.types.recipes import Recipe
from modules.types.training import LensSample, TrainingPlan, TrainingRun

ModelName = Annotated[Text, Field(min_length=1, max_length=LIMITS.model_name_chars)]


class StopRequest(NameRequest):
    at_once: bool = Field(default=False, description="Without a checkpoint of what was learned since the last one.")


class RecipeRequest(WireModel):
    recipe: Fields = Field(description="GET /control/training/fields lists them; null is the same as left out.")

    def whole(self, request: Request) -> Recipe:
        """Raises BadRequest naming the field that is wrong, and for a path that is named from another machine."""
        recipe = whole_recipe(given(self.recipe))
        for source in (recipe.data, recipe.evaluation_data):
            if source is not None:
                require_may_read(source, request)
        return recipe


class LensRequest(RecipeRequest):
    first: int = Field(default=0, ge=0)
    count: int = Field(default=8, ge=1, le=64)


class RestoreRequest(WireModel):
    undo: Annotated[Text, Field(min_length=1, max_length=64)] = Field(description="As the deletion answered.")


class ConvertRequest(NameRequest):
    model: ModelName


class CompareRequest(WireModel):
    adapter: Name
    prompt: Annotated[Text, Field(min_length=1, max_length=LIMITS.message_chars)]
    model: ModelName | None = None
    max_tokens: int = Field(default=128, ge=1, le=4096)
    stream: bool = False


class UseRequest(NameRequest):
    model: ModelName | None = None


def training_router(app: App) -> APIRouter:
    router = APIRouter(prefix="/control/training", route_class=StrictRoute)
    training = app.finetuning.training

    @router.get("/fields")
    def fields() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """What a recipe can set; a default of null means that it is chosen."""
        return {"fields": [asdict(field) for field in recipe_fields()]}

    @router.get("/models")
    def models() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        shapes = [
            {
                "id": one.model.id,
                "title": one.model.title,
                "parameters": one.model.shape.parameters,
                "is_trainable": one.is_trainable,
                "reason": one.reason,
                "is_convertible": one.is_convertible,
                "converted": one.converted,
            }
            for one in training.models.all()
        ]
        return {"models": shapes}

    @router.post("/convert")
    def convert(body: ConvertRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A GGUF model becomes a folder called `name` that can be trained; the job is followed at /control/jobs."""
        return {"job": asdict(app.finetuning.conversion.start(app.jobs, body.model, body.name))}

    @router.post("/plan")
    def plan(body: RecipeRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Every open field chosen, with the reason; what it will take; and why it cannot be started, if so."""
        return {"plan": plan_shape(training.plan(body.whole(request)))}

    @router.post("/lens")
    def lens(body: LensRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Samples as the model reads them; a token's last letter says trained, masked, truncated (x) or padded."""
        samples, total = training.lens(body.whole(request), body.first, body.count)
        return {"samples": [lens_shape(sample) for sample in samples], "total": total}

    @router.post("/start")
    def start(body: RecipeRequest, request: Request) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Begins at once, or waits until the run at work has ended."""
        return {"run": run_shape(training.start(body.whole(request)))}

    @router.post("/stop")
    def stop(body: StopRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The run is `running` until it has saved a checkpoint."""
        return {"run": run_shape(training.stop(body.name, at_once=body.at_once))}

    @router.post("/resume")
    def resume(body: NameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"run": run_shape(training.resume(body.name))}

    @router.post("/delete")
    def delete(body: NameRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """The adapter or model that came of it stays, where `kept` says. It can be restored for a short while."""
        return asdict(training.delete(body.name))

    @router.post("/restore")
    def restore(body: RestoreRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """A deleted run, as it was."""
        return {"run": run_shape(training.restore(body.undo))}

    @router.get("/runs")
    def runs() -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Newest first."""
        return {"runs": [run_shape(run) for run in training.runs()]}

    @router.get("/runs/{name}")
    def run(name: Name) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"run": run_shape(training.get(name))}

    @router.get("/runs/{name}/metrics")
    def metrics(name: Name, after: Annotated[int, Field(ge=0)] = 0) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Lines behind the first `after`. A resumed run can have fewer than there were; then it is all of them."""
        lines, count = training.metrics(name, after)
        return {"lines": lines, "next": count}

    @router.get("/runs/{name}/log")
    def log(name: Name) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        return {"log": training.log(name)}

    @router.get("/runs/{name}/recipe")
    def recipe(name: Name) -> PlainTextResponse:  # pyright: ignore[reportUnusedFunction]
        """The YAML file that makes the same run again."""
        return PlainTextResponse(training.recipe_text(name), media_type="application/yaml")

    @router.post("/compare")
    async def compare(body: CompareRequest, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        """The same prompt before (`base`) and after the training (`tuned`), each token the likeliest."""
        begin = app.finetuning.comparison.compare
        base, tuned = await asyncio.to_thread(begin, body.adapter, body.prompt, body.model, body.max_tokens)
        return await side_by_side(request, {"base": base, "tuned": tuned}, stream=body.stream)

    @router.post("/use")
    def use(body: UseRequest) -> dict[str, Any]:  # pyright: ignore[reportUnusedFunction]
        """Loads the base model if it must, and switches the adapter on, alone; a whole model is loaded as its own."""
        model, adapter = app.finetuning.comparison.use(body.name, body.model)
        return {"model": model, "adapter": adapter}

    return router


def plan_shape(plan: TrainingPlan) -> dict[str, Any]:
    return {**asdict(plan), "recipe": plain_fields(plan.recipe), "reasons": dict(plan.reasons)}


def lens_shape(sample: LensSample) -> dict[str, Any]:
    letters = {"trained": "t", "masked": "m", "truncated": "x", "padded": "p"}
    return {
        "row": sample.row,
        "pack": sample.pack,
        "share_trained": sample.share_trained,
        "flags": [asdict(flag) for flag in sample.flags],
        "tokens": [[token.id, token.text, letters[token.state]] for token in sample.tokens],
        "hidden_tokens": sample.hidden_tokens,
    }


def run_shape(run: TrainingRun) -> dict[str, Any]:
    record, recipe, summary = run.record, run.recipe, run.summary
    newest, last, first, best = (
        summary.metrics,
        summary.last_evaluation,
        summary.first_evaluation,
        summary.best_evaluation,
    )
    return {
        **record.model_dump(exclude={"versions"}),
        "model": recipe.model,
        "method": recipe.method,
        "objective": recipe.objective,
        "recipe": plain_fields(recipe),
        "mark": run.mark if record.state == "stopped" else "",
        "step": summary.step,
        "loss": newest.loss if newest else None,
        "evaluation_loss": last.loss if last else None,
        "first_evaluation_loss": first.loss if first else None,
        "best_evaluation_loss": best.loss if best else None,
        "best_step": best.step if best else None,
        "tokens_per_second": newest.tokens_per_second if newest else None,
        "memory_bytes": newest.memory_bytes if newest else 0,
        "peak_memory_bytes": summary.peak_memory_bytes,
        "seconds_left": run.seconds_left,
        "seconds": newest.seconds if newest else 0.0,
        "result": run.result,
        "result_step": summary.result_step,
        "place_in_queue": run.place_in_queue,
    }
