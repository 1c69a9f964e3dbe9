"""PDF files, page by page."""

import re
from collections.abc import Iterator
from pathlib import Path

from pypdf import PdfReader
from pypdf.errors import DependencyError, PyPdfError

from .blocks import Block, Headings
from .outline import parted, titles_of

PAGES = 5_000
# Numbers of pages and stamps are not enough to call a scanned page text.
LETTERS_PER_PAGE = 8
HYPHENATED = re.compile(r"(\w)[-\u00ad\u2010]\n(?=[a-zß-ÿ])")
SOFT_HYPHEN = "\u00ad"
ENCRYPTED = "This PDF is encrypted; save a copy without its password and add that."


def read_pdf(path: Path) -> Iterator[Block]:
    """A block a page and a heading of the outline; a page that cannot be read is left out. Raises ValueError."""
    reader = opened(path)
    titles, headings = titles_of(reader), Headings()
    letters = pages = 0
    faults: list[str] = []
    for number, page in enumerate(reader.pages, 1):
        pages = number
        try:
            text = joined(page.extract_text())
        except Exception as error:  # noqa: BLE001 - what a broken page raises has no common name
            faults.append(f"page {number}: {error}")
            text = ""
        letters += sum(map(str.isalpha, text))
        for part, heading in parted(text, titles.get(number, ()), headings):
            if part.strip():
                yield Block(part.strip(), page=number, heading=heading)
    if faults and len(faults) == pages:
        raise ValueError(f"No page of this PDF could be read ({faults[0][:200]}).")
    if letters < LETTERS_PER_PAGE * (pages - len(faults)):
        raise ValueError("This PDF holds pictures of pages and no text; run it through text recognition (OCR) first.")


def opened(path: Path) -> PdfReader:
    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ValueError(ENCRYPTED)
        count = len(reader.pages)
    except DependencyError as error:
        raise ValueError(ENCRYPTED) from error
    except PyPdfError as error:
        raise ValueError(f"This PDF is damaged: {error}.") from error
    except (KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError("This PDF is damaged: its list of pages cannot be read.") from error
    if not count:
        raise ValueError("This PDF has no pages.")
    if count > PAGES:
        raise ValueError(f"This PDF says that it has {count:,} pages; {PAGES:,} is the most. Split it.")
    return reader


def joined(text: str) -> str:
    """Words parted at the ends of lines are put together again."""
    return HYPHENATED.sub(r"\1", text).replace(SOFT_HYPHEN, "").strip()
