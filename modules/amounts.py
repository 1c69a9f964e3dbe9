"""Sizes and times as people read them in a terminal and in sentences."""

UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def amount(count: int) -> str:
    """Of bytes."""
    return next((f"{count / unit:.2f} {name}" for unit, name in UNITS if count >= unit), f"{count} bytes")


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
