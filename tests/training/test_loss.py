import pytest
import torch
from torch import Tensor, nn

from modules.training import loss as loss_module
from modules.training.loss import Head, logits_of, summed_loss

TOKENS, SIZE, WORDS = 37, 16, 101


def reference(hidden: Tensor, head: Head, labels: Tensor) -> Tensor:
    logits = nn.functional.linear(hidden, head.weight, head.bias) * head.scale
    logits = logits if head.cap is None else torch.tanh(logits / head.cap) * head.cap
    return nn.functional.cross_entropy(logits, labels, reduction="sum")


@pytest.mark.parametrize(("scale", "cap", "with_bias"), [(1.0, None, False), (0.3, 4.0, True), (1.0, 2.0, False)])
def test_loss_and_gradients_equal_those_of_all_logits_at_once(
    monkeypatch: pytest.MonkeyPatch, scale: float, cap: float | None, with_bias: bool
) -> None:
    # Several chunks, the last one shorter.
    monkeypatch.setattr(loss_module, "CHUNK_BYTES", 10 * 4 * WORDS)
    torch.manual_seed(0)
    labels = torch.randint(0, WORDS, (TOKENS,))
    ours = [torch.randn(shape, requires_grad=True) for shape in ((TOKENS, SIZE), (WORDS, SIZE), (WORDS,))]
    theirs = [value.detach().clone().requires_grad_() for value in ours]
    head, other = (Head(each[1], each[2] if with_bias else None, scale, cap, torch.float32) for each in (ours, theirs))
    loss = summed_loss(ours[0], head, labels)
    expected = reference(theirs[0], other, labels)
    torch.testing.assert_close(loss, expected)
    (loss / 7).backward()
    (expected / 7).backward()
    for own, whole in zip(ours, theirs, strict=True):
        assert (own.grad is None) == (whole.grad is None)
        if own.grad is not None:
            torch.testing.assert_close(own.grad, whole.grad)


def test_a_frozen_head_gets_no_gradient_and_huge_logits_do_no_harm() -> None:
    hidden = (1e4 * torch.randn(3, SIZE)).requires_grad_()
    weight = torch.randn(WORDS, SIZE)
    loss = summed_loss(hidden, Head(weight, None, 1.0, None, torch.float32), torch.tensor([1, 2, 3]))
    loss.backward()
    assert torch.isfinite(loss)
    assert hidden.grad is not None
    assert torch.isfinite(hidden.grad).all()
    assert weight.grad is None


def test_without_gradients_it_is_the_loss_alone() -> None:
    hidden, weight = torch.randn(5, SIZE, requires_grad=True), torch.randn(WORDS, SIZE, requires_grad=True)
    labels = torch.arange(5)
    head = Head(weight, None, 1.0, None, torch.float32)
    with torch.no_grad():
        loss = summed_loss(hidden, head, labels)
    assert not loss.requires_grad
    torch.testing.assert_close(
        loss, nn.functional.cross_entropy(logits_of(hidden, head), labels, reduction="sum").detach()
    )
