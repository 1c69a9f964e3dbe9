"""Samples into rows of one length: best fit decreasing, which leaves a few percent of a row empty."""

from bisect import bisect_left, insort
from collections.abc import Sequence


def pack(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """The places of `lengths` in rows that hold `capacity` tokens; a longer sample has a row of its own.

    How many rows there are depends on the lengths alone, not on their order; among equal lengths the order decides
    who shares a row with whom.
    """
    rows: list[list[int]] = []
    # Rows by the room left in them, and the sizes of room there are, sorted.
    by_room: dict[int, list[int]] = {}
    rooms: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        length = lengths[place]
        found = bisect_left(rooms, length)
        if found == len(rooms):
            row, room = len(rows), max(capacity, length)
            rows.append([])
        else:
            room = rooms[found]
            row = by_room[room].pop()
            if not by_room[room]:
                del by_room[room], rooms[found]
        rows[row].append(place)
        if left := room - length:
            if left not in by_room:
                by_room[left] = []
                insort(rooms, left)
            by_room[left].append(row)
    return rows
