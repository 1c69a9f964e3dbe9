"""POST /v1/embeddings."""

import asyncio
from threading import Event as Flag
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import Discriminator, Field, Tag

from modules.api.openai.schemas import ModelName, TokenId
from modules.api.sse import DisconnectWatch
from modules.api.strict_json import StrictRoute, Text, WireModel
from modules.app import App
from modules.errors import BadRequest
from modules.limits import LIMITS
from modules.types.embeddings import Embeddings, decoded

InputText = Annotated[Text, Field(min_length=1, max_length=LIMITS.message_chars)]
InputTokens = Annotated[list[TokenId], Field(min_length=1, max_length=LIMITS.context_tokens)]
Few = Field(min_length=1, max_length=LIMITS.embedding_inputs)


def kind_of(value: Any) -> str:
    """What a caller meant, by the first of what was sent: errors are those of this kind alone."""
    match value:
        case [int(), *_]:
            return "[ids]"
        case [list(), *_]:
            return "[lists of ids]"
        case list():
            return "[texts]"
        case _:
            return "[text]"


class EmbeddingRequest(WireModel):
    """POST /v1/embeddings. Token ids are taken as they are, without what the model's tokenizer would add."""

    model: ModelName | None = None
    input: Annotated[
        Annotated[InputText, Tag("[text]")]
        | Annotated[InputTokens, Tag("[ids]")]
        | Annotated[list[InputText], Few, Tag("[texts]")]
        | Annotated[list[InputTokens], Few, Tag("[lists of ids]")],
        Discriminator(kind_of),
    ]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, le=LIMITS.embedding_dimensions)

    def inputs(self) -> list[str | list[int]]:
        match self.input:
            case str() as text:
                return [text]
            case [int(), *_] as tokens:
                return [tokens]
            case _:
                return [one for one in self.input if not isinstance(one, int)]


def embeddings_router(app: App) -> APIRouter:
    router = APIRouter(route_class=StrictRoute)

    @router.post("/v1/embeddings")
    async def embeddings(body: EmbeddingRequest, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        model = (await asyncio.to_thread(app.models.load_for_request, body.model)).model
        gone = Flag()
        watch = DisconnectWatch(request, gone.set)
        try:
            found = await asyncio.wrap_future(app.embeddings.embed(body.inputs(), model.id, gone))
        finally:
            watch.end()
        # Thousands of vectors as decimal numbers take a while.
        content = await asyncio.to_thread(lambda: orjson.dumps(shape(found, body, model.id)))
        return Response(content, media_type="application/json")

    return router


def shape(found: Embeddings, body: EmbeddingRequest, model: str) -> dict[str, Any]:
    """OpenAI's shape; raises BadRequest for more dimensions than there are."""
    if body.dimensions is not None and body.dimensions != found.dimensions:
        if body.dimensions > found.dimensions:
            raise BadRequest(f"This model's vectors have {found.dimensions:,} dimensions.", field="dimensions")
        found = found.shortened(body.dimensions)
    is_float = body.encoding_format == "float"
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": place, "embedding": decoded(vector) if is_float else vector}
            for place, vector in enumerate(found.vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": found.tokens, "total_tokens": found.tokens},
    }
