"""Texts as a Word file: Markdown's headings, lists, code, tables and emphasis become Word's own styles.

Paragraphs are written as WordprocessingML and parsed at once; python-docx's own calls take milliseconds each.
"""

import html
import io
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import docx
from docx.enum.style import WD_STYLE_TYPE
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from docx.shared import Pt, RGBColor
from markdown_it.tree import SyntaxTreeNode

from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.ui.markup import is_shown_plainly, parser, without_surrogates

# What XML 1.0 cannot hold.
NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
CODE_FONT = "Consolas"
PROPERTY_CHARS = 255
LIST_LEVELS = 3
SAFE_ADDRESS = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
RULE = '<w:pBdr><w:bottom w:val="single" w:sz="6" w:space="1" w:color="auto"/></w:pBdr>'
MARKS = {"strong": "<w:b/>", "em": "<w:i/>", "s": "<w:strike/>"}
# As the schema of a run's properties orders them.
MARK_ORDER = ("strong", "em", "s")
FORMULAS = frozenset({"math_inline", "math_inline_double", "math_brackets"})
NUMBER_OF_STYLE = 'w:style[@w:styleId="{}"]/w:pPr/w:numPr/w:numId/@w:val'
RIGHT_TO_LEFT = frozenset({"R", "AL"})


def word_file(title: str, parts: Sequence[tuple[str, str, bool]]) -> bytes:
    """`parts` are headings of ours (or none), texts, and whether these are Markdown.

    Raises BadRequest for more lines than LIMITS.word_lines.
    """
    lines = sum(text.count("\n") + 1 for _, text, _ in parts)
    if lines > LIMITS.word_lines:
        raise BadRequest(
            f"This text has {lines:,} lines; a Word file of at most {LIMITS.word_lines:,} can be made. "
            "Save it as text or Markdown instead.",
            field="format",
        )
    writer = WordWriter(title)
    for heading, text, is_markdown in parts:
        writer.add(heading, text, is_markdown=is_markdown)
    return writer.finish()


class WordWriter:
    def __init__(self, title: str) -> None:
        self._document: Any = docx.Document()
        self._numbering: Any = self._document.part.numbering_part.element
        self._next_number = max(map(int, self._numbering.xpath("w:num/@w:numId")), default=0) + 1
        self._abstract = self._abstract_numberings()
        self._links: dict[str, str] = {}
        self._blocks: list[str] = []
        add_styles(self._document)
        name_file(self._document, title)
        self._blocks.append(paragraph("Title", run(title), title))

    def add(self, heading: str, text: str, *, is_markdown: bool) -> None:
        text = without_surrogates(text)
        if heading:
            self._blocks.append(paragraph("Heading1", run(heading), heading))
        if not is_markdown or is_shown_plainly(text):
            self._blocks += [paragraph("Normal", run(line), line) for line in text.split("\n")]
            return
        tokens = parser().parse(text, {"deadline": time.monotonic()})
        for node in SyntaxTreeNode(tokens).children:
            self._blocks += self._block(node, "Normal", 0)

    def finish(self) -> bytes:
        body = self._document.element.body
        parsed: Any = parse_xml(f"<w:body {nsdecls('w', 'r')}>{''.join(self._blocks)}</w:body>")
        section = body.sectPr
        for block in list(parsed):
            section.addprevious(block)
        file = io.BytesIO()
        self._document.save(file)
        return file.getvalue()

    def _block(self, node: SyntaxTreeNode, style: str, depth: int) -> Iterator[str]:
        """`depth` counts the lists around it."""
        match node.type:
            case "heading":
                yield self._text(node, f"Heading{node.tag[1:]}")
            case "paragraph":
                yield self._text(node, style)
            case "bullet_list" | "ordered_list":
                yield from self._list(node, depth + 1)
            case "blockquote":
                for child in node.children:
                    yield from self._block(child, "Quote", depth)
            case "fence" | "code_block" | "math_block":
                yield paragraph("Code", run(node.content.rstrip("\n")))
            case "hr":
                yield paragraph("Normal", "", extra=RULE)
            case "table":
                yield self._table(node)
            case _:
                yield paragraph(style, run(node.content), node.content)

    def _text(self, node: SyntaxTreeNode, style: str, extra: str = "") -> str:
        return paragraph(style, self._inlines(node.children), text_of(node), extra)

    def _list(self, node: SyntaxTreeNode, depth: int) -> Iterator[str]:
        level = "" if depth == 1 else f"{min(depth, LIST_LEVELS)}"
        is_ordered = node.type == "ordered_list"
        style = f"{'ListNumber' if is_ordered else 'ListBullet'}{level}"
        extra = self._new_numbering(style, int(node.attrs.get("start", 1))) if is_ordered else ""
        for item in node.children:
            for place, child in enumerate(item.children):
                if child.type == "paragraph" and place == 0:
                    yield self._text(child, style, extra)
                else:
                    yield from self._block(child, f"ListContinue{level}", depth)

    def _table(self, node: SyntaxTreeNode) -> str:
        rows = [row for part in node.children for row in part.children]
        columns = len(rows[0].children) if rows else 0
        grid = "<w:gridCol/>" * columns
        written = "".join(f"<w:tr>{''.join(map(self._cell, row.children))}</w:tr>" for row in rows)
        look = '<w:tblStyle w:val="TableGrid"/><w:tblW w:w="0" w:type="auto"/>'
        return (
            f"<w:tbl><w:tblPr>{look}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>{written}</w:tbl>{paragraph('Normal', '')}"
        )

    def _cell(self, cell: SyntaxTreeNode) -> str:
        marks = frozenset({"strong"}) if cell.type == "th" else frozenset[str]()
        inner = paragraph("Normal", self._inlines(cell.children, marks), text_of(cell))
        return f'<w:tc><w:tcPr><w:tcW w:w="0" w:type="auto"/></w:tcPr>{inner}</w:tc>'

    def _inlines(self, nodes: Iterable[SyntaxTreeNode], marks: frozenset[str] = frozenset()) -> str:
        return "".join(self._inline(node, marks) for node in nodes)

    def _inline(self, node: SyntaxTreeNode, marks: frozenset[str]) -> str:
        match node.type:
            case "inline":
                return self._inlines(node.children, marks)
            case "strong" | "em" | "s":
                return self._inlines(node.children, marks | {node.type})
            case "softbreak" | "hardbreak":
                return "<w:r><w:br/></w:r>"
            case "code_inline":
                return run(node.content, marks, "InlineCode")
            case "link":
                return self._link(str(node.attrs.get("href", "")), node, marks)
            case "image":
                # As in the page, a picture is never fetched.
                return run(f"Image: {node.content} ({node.attrs.get('src', '')})", marks)
            case kind if kind in FORMULAS:
                return run(node.content, marks, "InlineCode")
            case _:
                return run(node.content, marks)

    def _link(self, address: str, node: SyntaxTreeNode, marks: frozenset[str]) -> str:
        if not SAFE_ADDRESS.match(address) or NO_XML.search(address):
            return self._inlines(node.children, marks)
        if address not in self._links:
            self._links[address] = self._document.part.relate_to(address, RELATIONSHIP_TYPE.HYPERLINK, is_external=True)
        inner = self._inlines(node.children, marks | {"link"})
        return f'<w:hyperlink r:id="{self._links[address]}">{inner}</w:hyperlink>'

    def _abstract_numberings(self) -> dict[str, str]:
        """Which numbering each list style stands for; without one of its own a list would count on from the last."""
        kinds = {str(one.numId): one.abstractNumId.val for one in self._numbering.num_lst}
        styles = [f"ListNumber{level}" for level in ("", *range(2, LIST_LEVELS + 1))]
        found = {style: self._document.styles.element.xpath(NUMBER_OF_STYLE.format(style)) for style in styles}
        return {style: kinds[numbers[0]] for style, numbers in found.items()}

    def _new_numbering(self, style: str, start: int) -> str:
        number = self._next_number
        self._next_number += 1
        override = f'<w:lvlOverride w:ilvl="0"><w:startOverride w:val="{start}"/></w:lvlOverride>'
        kind = f'<w:abstractNumId w:val="{self._abstract[style]}"/>'
        self._numbering.append(parse_xml(f'<w:num {nsdecls("w")} w:numId="{number}">{kind}{override}</w:num>'))
        return f'<w:numPr><w:ilvl w:val="0"/><w:numId w:val="{number}"/></w:numPr>'


def paragraph(style: str, runs: str, text: str = "", extra: str = "") -> str:
    """`text` is what it says, for its direction; `extra` are properties that stand before that."""
    direction = "<w:bidi/>" if runs_right_to_left(text) else ""
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{extra}{direction}</w:pPr>{runs}</w:p>'


def run(text: str, marks: frozenset[str] = frozenset(), style: str = "") -> str:
    style = style or ("Hyperlink" if "link" in marks else "")
    named = f'<w:rStyle w:val="{style}"/>' if style else ""
    properties = named + "".join(MARKS[mark] for mark in MARK_ORDER if mark in marks)
    lines = [
        "<w:tab/>".join(f'<w:t xml:space="preserve">{escaped(piece)}</w:t>' for piece in line.split("\t"))
        for line in text.split("\n")
    ]
    return f"<w:r><w:rPr>{properties}</w:rPr>{'<w:br/>'.join(lines)}</w:r>"


def escaped(text: str) -> str:
    return html.escape(NO_XML.sub("", without_surrogates(text)).replace("\r", ""), quote=False)


def text_of(node: SyntaxTreeNode) -> str:
    return node.children[0].content if node.children else ""


def runs_right_to_left(text: str) -> bool:
    """By its first letter, as browsers decide it."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind == "L" or kind in RIGHT_TO_LEFT:
            return kind != "L"
    return False


def add_styles(document: Any) -> None:
    code = document.styles.add_style("Code", WD_STYLE_TYPE.PARAGRAPH)
    code.base_style = document.styles["No Spacing"]
    code.paragraph_format.left_indent = Pt(12)
    code.paragraph_format.space_after = Pt(10)
    inline = document.styles.add_style("Inline Code", WD_STYLE_TYPE.CHARACTER)
    for style in (code, inline):
        style.font.name, style.font.size = CODE_FONT, Pt(10)
    link = document.styles.add_style("Hyperlink", WD_STYLE_TYPE.CHARACTER)
    link.font.underline, link.font.color.rgb = True, RGBColor(0x05, 0x63, 0xC1)


def name_file(document: Any, title: str) -> None:
    """What the file says of itself, instead of what its template does."""
    properties = document.core_properties
    properties.title = NO_XML.sub("", without_surrogates(title))[:PROPERTY_CHARS]
    properties.author = properties.comments = ""
    properties.created = properties.modified = datetime.now(UTC)
