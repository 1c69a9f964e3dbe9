"""Names that strangers gave their files: whether they are safe on every system, whatever this one is."""

import unicodedata
from collections.abc import Sequence

from modules.storage.files import RESERVED

PART_BYTES = 255
PATH_BYTES = 1024
FORBIDDEN = frozenset('<>:"|?*\\')
SHOWN = 5


def unsafe_names(paths: Sequence[str]) -> str:
    """The first few with what is wrong with each, under the rules of POSIX or Windows; empty when all are safe."""
    faults = [(path, fault) for path in paths if (fault := path_fault(path))]
    faults += [(path, "it is another's name in other letters") for path in twins(paths)]
    listed = "; ".join(f"{path[:80]!a} ({fault})" for path, fault in faults[:SHOWN])
    return f"{listed}; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else listed


def path_fault(path: str) -> str:
    """What is wrong with a path inside a repository; empty when nothing is."""
    if len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES:
        return f"it is longer than {PATH_BYTES} bytes"
    return next((fault for part in path.split("/") if (fault := part_fault(part))), "")


def part_fault(part: str) -> str:
    if part in {"", ".", ".."}:
        return "it leads outside its folder"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for character in part):
        return "it holds characters that cannot be seen"
    if FORBIDDEN & set(part):
        return "it holds one of " + " ".join(sorted(FORBIDDEN))
    if len(part.encode()) > PART_BYTES:
        return f"it is longer than {PART_BYTES} bytes"
    if part[-1] in ". " or part[0] == " ":
        return "it begins with a space, or ends with a space or dot"
    if folded(part).split(".", 1)[0].strip() in RESERVED:
        return "Windows reserves it"
    return ""


def twins(paths: Sequence[str]) -> list[str]:
    """Paths that are one file on systems that pass over case and accents' spelling, or a file that is also a folder."""
    seen: set[str] = set()
    found: list[str] = []
    for path in paths:
        if folded(path) in seen:
            found.append(path)
        seen.add(folded(path))
    return found + [path for path in paths if any(parent in seen for parent in parents(folded(path)))]


def parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def folded(name: str) -> str:
    """As the most careless file system compares it."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
