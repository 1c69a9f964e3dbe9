"""Small PDF files for tests and benchmarks, written by hand: text, pictures alone, encrypted, broken, boastful."""

from collections.abc import Sequence
from pathlib import Path

from pypdf import PdfReader, PdfWriter
from pypdf.generic import IndirectObject

LINE = 15
WIDTH = 90


def write_pdf(path: Path, pages: Sequence[str], *, claimed_pages: int | None = None) -> Path:
    """Each text becomes a page, in lines of at most WIDTH characters."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * place} 0 R" for place in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {claimed_pages or count} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for place, text in enumerate(pages):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * place} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        content = content_of(text)
        objects.append(f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream")
    path.write_bytes(assembled(objects))
    return path


def with_outline(source: Path, target: Path, entries: Sequence[tuple[int, int, str]]) -> Path:
    """Each entry is a page, a level and a title, all counted from 1; levels go down one at a time."""
    writer = PdfWriter(clone_from=PdfReader(source))
    above: list[IndirectObject] = []
    for page, level, title in entries:
        del above[level - 1 :]
        above.append(writer.add_outline_item(title=title, page_number=page - 1, parent=above[-1] if above else None))
    writer.write(target)
    return target


def content_of(text: str) -> bytes:
    lines = [line for paragraph in text.split("\n") for line in wrapped(paragraph)]
    shown = b" ".join(b"(" + escaped(line) + b") Tj T*" for line in lines)
    return f"BT /F1 10 Tf {LINE} TL 40 800 Td ".encode() + shown + b" ET" if lines else b""


def wrapped(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= WIDTH:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def escaped(text: str) -> bytes:
    return text.encode("cp1252", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def assembled(objects: Sequence[bytes]) -> bytes:
    """With a table of where each object lies."""
    content = bytearray(b"%PDF-1.4\n")
    places: list[int] = []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(content)
    content += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    content += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    content += f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(content)


def encrypt(source: Path, target: Path, password: str) -> Path:
    writer = PdfWriter(clone_from=PdfReader(source))
    writer.encrypt(password, algorithm="RC4-128")
    writer.write(target)
    return target
