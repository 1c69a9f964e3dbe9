"""A document's text to safe HTML: read as Markdown, or as HTML of which only what is for reading remains."""

from typing import Literal

import nh3

from modules.limits import LIMITS
from modules.ui.card_markup import CARD_ATTRIBUTES, CLASSES, MOST_TAGS, RAW_TAGS, attribute_of
from modules.ui.markup import MATHML, TAGS, plain, render_message, without_surrogates

Form = Literal["markdown", "html"]


def render_document(text: str, form: Form) -> str:
    """Nothing in the result loads anything; text that is too long or built to be slow is shown as it is."""
    return render_message(text) if form == "markdown" else render_html(text)


def render_html(text: str) -> str:
    text = without_surrogates(text)
    if len(text) > LIMITS.render_chars or text.count("<") > MOST_TAGS:
        return plain(text)
    return nh3.clean(
        text,
        # A text's own buttons would do nothing.
        tags=set(TAGS | MATHML | RAW_TAGS) - {"button"},
        attributes={tag: names for tag, names in CARD_ATTRIBUTES.items() if tag != "button"},
        attribute_filter=attribute_of(""),
        allowed_classes={tag: names for tag, names in CLASSES.items() if tag != "button"},
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )
