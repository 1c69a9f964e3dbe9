"""What of results a model is told, by counts of tokens."""

from modules.services.inference import TokenCount
from modules.services.tool_results import ResultRoom

CONTEXT = 1000


def counted(text: str) -> TokenCount:
    """A token a byte, as small vocabularies take for rare characters, and one for the beginning."""
    return TokenCount((0, *text.encode()), CONTEXT)


def test_all_results_of_a_reply_together_leave_half_of_the_context() -> None:
    room = ResultRoom(counted, lambda: CONTEXT)
    shown = [room.cut("\N{CJK UNIFIED IDEOGRAPH-5B57}" * 5000).partition("\n")[0] for _ in range(20)]
    assert len(shown[0].encode()) > CONTEXT // 5
    assert sum(len(text.encode()) for text in shown) < CONTEXT // 2


def test_a_short_result_is_told_whole_also_where_nobody_counts() -> None:
    assert ResultRoom(counted, lambda: CONTEXT).cut("42") == "42"
    assert ResultRoom(lambda _text: None, lambda: CONTEXT).cut("42") == "42"
