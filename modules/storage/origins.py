"""What a text is made of, kept through splices: pieces that were generated stay known wherever they move."""

from collections.abc import Iterable, Sequence

from modules.types.document import TYPED, Origin, Splice, TracedText


def spliced(traced: TracedText, splice: Splice, inserted: Sequence[Origin]) -> TracedText:
    """`inserted` are the origins of what the splice puts in; their lengths sum to its length."""
    text = traced.text[: splice.start] + splice.inserted + traced.text[splice.end :]
    before = part(traced.origins, 0, splice.start)
    after = part(traced.origins, splice.end, len(traced.text))
    return TracedText(text, joined([*before, *inserted, *after]))


def part(origins: Iterable[Origin], start: int, end: int) -> list[Origin]:
    """Of the characters from `start` to `end`."""
    found: list[Origin] = []
    place = 0
    for origin in origins:
        first, last = max(start, place), min(end, place + origin.length)
        if first < last:
            inside = origin.start + first - place if origin.version != TYPED else 0
            found.append(Origin(origin.version, inside, last - first))
        place += origin.length
    return found


def joined(origins: Iterable[Origin]) -> tuple[Origin, ...]:
    """Neighbours that belong together made one, so that a text has few however often it was typed into."""
    found: list[Origin] = []
    for origin in origins:
        last = found[-1] if found else None
        if last is not None and last.version == origin.version and follows(last, origin):
            found[-1] = Origin(last.version, last.start, last.length + origin.length)
        elif origin.length:
            found.append(origin)
    return tuple(found)


def follows(first: Origin, second: Origin) -> bool:
    return first.version == TYPED or first.start + first.length == second.start
