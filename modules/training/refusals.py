"""Recipes that cannot be trained, whatever memory there is: why, and what can be done."""

from collections.abc import Iterator

from modules.training.advice import packing_fault
from modules.training.footprint import QUANTIZED
from modules.training.layers import Anatomy, unmatched
from modules.training.work import virtual_tokens
from modules.types.recipes import Recipe


def refusal_of(recipe: Recipe, anatomy: Anatomy) -> str:
    """The first that is found; empty for a recipe that can be trained."""
    return next(refusals(recipe, anatomy), "")


def refusals(recipe: Recipe, anatomy: Anatomy) -> Iterator[str]:
    """`recipe` has nothing open that matters here."""
    context = anatomy.shape.context_length
    needed = (recipe.max_length or 0) + virtual_tokens(recipe)
    if context and needed > context:
        own = f" and {virtual_tokens(recipe)} of prompt tuning" if virtual_tokens(recipe) else ""
        yield (
            f"Samples of {recipe.max_length:,} tokens{own} are longer than the model can read, which is {context:,}. "
            f"Set max_length to {context - virtual_tokens(recipe):,} or less."
        )
    if recipe.method not in {"full", "prompt_tuning"}:
        yield from target_faults(recipe, anatomy)
    if recipe.method == "full" and recipe.base_weights in QUANTIZED:
        yield (
            f"Full finetuning changes the weights themselves, which cannot be kept as {recipe.base_weights} meanwhile. "
            "Choose bfloat16 or float32, or the method lora."
        )
    if recipe.processes % recipe.machines:
        yield (
            f"{recipe.processes} processes cannot be spread evenly over {recipe.machines} machines. Set processes to a "
            f"multiple of {recipe.machines}."
        )
    if recipe.machines > 1 and not recipe.main_address.strip():
        yield "The other machines must find this one. Set main_address to its name or address in their network."
    if recipe.packing and (fault := packing_fault(anatomy)):
        yield f"Samples of this model cannot share a row: {fault} Switch packing off."


def target_faults(recipe: Recipe, anatomy: Anatomy) -> Iterator[str]:
    known = ", ".join(anatomy.kinds[:20])
    if not anatomy.linears:
        yield "This model has no linear layer that an adapter could be put on. Choose the method full or prompt_tuning."
    elif wrong := unmatched(anatomy.linears, recipe.targets or ()):
        named = ", ".join(wrong[:5])
        yield f"No linear layer of this model is called {named}. Its layers are called: {known}; all-linear means all."
