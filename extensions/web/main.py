"""Tools with which a model reads pages of the web, and searches it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from modules.extensions import ExtensionHost, Tool, ToolContext, hook

from .pages import page_text
from .quoting import quoted
from .search import Hit, hits_of, is_search_address, search_url

MAX_BYTES = 4_000_000
# Small models do not know where to end; what they may write is bounded.
QUERY_CHARS = 200
ADDRESS_CHARS = 500


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    search_address: Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)] = Field(
        default="",
        title="Search address",
        description="Of a search page that answers JSON or HTML, with {query} for the words. For a SearxNG instance "
        "of your own: http://127.0.0.1:8888/search?q={query}&format=json. Empty: nothing is searched.",
    )
    results: int = Field(default=5, ge=1, le=20, title="Results", description="How many a search gives at most.")
    page_chars: int = Field(
        default=8_000, ge=500, le=100_000, title="Length of a page", description="In characters; a model can ask on."
    )


class Web:
    """The hooks, with the host that they share. Pages come through the program's one fetcher."""

    def __init__(self) -> None:
        self._host: ExtensionHost | None = None

    @hook
    def started(self, host: ExtensionHost) -> None:
        self._host = host

    @hook
    def settings_model(self) -> type[BaseModel]:
        return Settings

    @hook
    def tools(self) -> Sequence[Tool]:
        return (
            Tool(
                "read_page",
                "Reads a public web page and returns its text with links.",
                {
                    "type": "object",
                    "properties": {
                        "url": {
                            "type": "string",
                            "maxLength": ADDRESS_CHARS,
                            "description": "The address, with https://.",
                        },
                        "start": {
                            "type": "integer",
                            "minimum": 0,
                            "description": "At which character to begin; 0 is the beginning.",
                        },
                    },
                    "required": ["url"],
                    "additionalProperties": False,
                },
                self._read_page,
            ),
            Tool(
                "search_web",
                "Searches the web and returns titles, addresses and short descriptions.",
                {
                    "type": "object",
                    "properties": {
                        "query": {
                            "type": "string",
                            "maxLength": QUERY_CHARS,
                            "description": "The words to search for.",
                        }
                    },
                    "required": ["query"],
                    "additionalProperties": False,
                },
                self._search_web,
            ),
        )

    def _read_page(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        """Raises ValueError or FetchError, with a sentence for the model and the person."""
        settings = settings_of(context)
        url, start = str(arguments["url"]).strip(), int(arguments.get("start", 0))
        if is_search_address(url, settings.search_address):
            raise ValueError("The search page is asked by search_web alone.")
        content, media_type = self._fetch(url)
        text = page_text(content, media_type, url)
        if start and start >= len(text):
            raise ValueError(f"The page has {len(text):,} characters, so nothing begins at {start:,}.")
        end = start + settings.page_chars
        rest = len(text) - end
        more = f"\n\n({rest:,} more characters; go on with start {end}.)" if rest > 0 else ""
        return quoted(text[start:end] + more, url)

    def _search_web(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        """Raises as `_read_page` does."""
        settings = settings_of(context)
        if not settings.search_address:
            raise ValueError(
                "No search address is set, so nothing can be searched. The person can set one in the settings of the "
                "extension Web reader and search."
            )
        query = " ".join(str(arguments["query"]).split())
        if not query:
            raise ValueError("There are no words to search for.")
        url = search_url(settings.search_address, query)
        content, media_type = self._fetch(url)
        hits = hits_of(content, media_type, url)[: settings.results]
        if not hits:
            return f"Nothing was found for: {query}"
        return quoted("\n\n".join(shown(place, hit) for place, hit in enumerate(hits, 1)), f"a search for: {query}")

    def _fetch(self, url: str) -> tuple[bytes, str]:
        if self._host is None:
            raise ValueError("The extension has not started yet.")
        return self._host.fetch(url, max_bytes=MAX_BYTES)


def settings_of(context: ToolContext) -> Settings:
    return context.settings if isinstance(context.settings, Settings) else Settings()


def shown(place: int, hit: Hit) -> str:
    return "\n".join(line for line in (f"{place}. {hit.title}", hit.url, hit.summary) if line)


web = Web()
started = web.started
settings_model = web.settings_model
tools = web.tools
