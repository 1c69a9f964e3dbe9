"""The loss of the tokens that are learned, computed a few at a time: the logits of all are never there at once."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function

# Logits of so many bytes are computed together: few enough for a processor's caches, enough for its matrix units.
CHUNK_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Head:
    """From hidden states to logits: `cap * tanh(scale * (weight @ hidden + bias) / cap)`; without a cap only scaled.

    `weight` [vocabulary, size]. Products are computed in `dtype`.
    """

    weight: Tensor
    bias: Tensor | None
    scale: float
    cap: float | None
    dtype: torch.dtype


def summed_loss(hidden: Tensor, head: Head, labels: Tensor) -> Tensor:
    """The sum of `-log p(label)`, float32, of hidden states [tokens, size] and the tokens that follow them."""
    function: Any = ChunkedLoss
    if not torch.is_grad_enabled():
        hidden, head = hidden.detach(), replace(head, weight=head.weight.detach())
    return function.apply(hidden, head.weight, head.bias, labels, head)


def logits_of(hidden: Tensor, head: Head) -> Tensor:
    """All of them, float32: [tokens, vocabulary]."""
    bias = None if head.bias is None else head.bias.to(head.dtype)
    logits = torch.nn.functional.linear(hidden.to(head.dtype), head.weight.to(head.dtype), bias).float() * head.scale
    return logits if head.cap is None else torch.tanh(logits / head.cap) * head.cap


class ChunkedLoss(Function):
    """Gradients are computed beside the loss, while the logits are there, and scaled when the backward pass comes."""

    @staticmethod
    def forward(  # noqa: PLR0917 a Function gets its tensors by their places
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor, head: Head
    ) -> Tensor:
        to_hidden, to_weight, to_bias = ctx.needs_input_grad[:3]
        inputs, rows = hidden.to(head.dtype), weight.to(head.dtype)
        hidden_grad = torch.empty_like(inputs) if to_hidden else None
        weight_grad = torch.zeros_like(weight) if to_weight else None
        bias_grad = torch.zeros_like(bias) if to_bias and bias is not None else None
        total = torch.zeros((), device=hidden.device)
        for start in range(0, len(labels), chunk_size(len(rows))):
            chunk = slice(start, start + chunk_size(len(rows)))
            logits = torch.nn.functional.linear(inputs[chunk], rows, None if bias is None else bias.to(head.dtype))
            loss, gradient = loss_and_gradient(logits.float(), labels[chunk], head)
            total += loss
            gradient = gradient.to(head.dtype)
            if hidden_grad is not None:
                hidden_grad[chunk] = gradient @ rows
            if weight_grad is not None:
                weight_grad += gradient.T @ inputs[chunk]
            if bias_grad is not None:
                bias_grad += gradient.sum(0)
        ctx.gradients, ctx.hidden_dtype = (hidden_grad, weight_grad, bias_grad), hidden.dtype
        return total

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        """Once only: the gradients are changed in place."""
        hidden_grad, weight_grad, bias_grad = ctx.gradients
        scaled = [None if gradient is None else gradient.mul_(outputs[0]) for gradient in ctx.gradients]
        ctx.gradients = None
        if hidden_grad is not None:
            scaled[0] = hidden_grad.to(ctx.hidden_dtype)
        return scaled[0], weight_grad, bias_grad, None, None


def loss_and_gradient(logits: Tensor, labels: Tensor, head: Head) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient before scale and cap; `logits` [tokens, vocabulary] float32 are overwritten."""
    if head.scale != 1:
        logits.mul_(head.scale)
    if head.cap is not None:
        logits.div_(head.cap).tanh_()
        slope = 1 - logits.square()
        logits.mul_(head.cap)
    else:
        slope = None
    places = labels[:, None]
    chosen = logits.gather(1, places)
    largest = logits.amax(1, keepdim=True)
    # softmax in place: the largest first, so that nothing overflows
    parts = logits.sub_(largest).exp_()
    sums = parts.sum(1, keepdim=True)
    loss = (sums.log() + largest - chosen).sum()
    gradient = parts.div_(sums)
    gradient.scatter_add_(1, places, torch.full_like(chosen, -1))
    if slope is not None:
        gradient.mul_(slope)
    if head.scale != 1:
        gradient.mul_(head.scale)
    return loss, gradient


def chunk_size(vocabulary: int) -> int:
    return max(1, CHUNK_BYTES // (4 * vocabulary))
