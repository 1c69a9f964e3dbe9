"""Texts as vectors of an OpenAI-compatible server."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from modules.engines.remote.server import Server, number
from modules.errors import Busy, EngineError, FetchError, ParlorError
from modules.types.embeddings import Embeddings, encoded

ROUTE = "/v1/embeddings"


# As vectors are kept: numbers of 32 bits, none of them infinite.
Number = Annotated[float, Field(allow_inf_nan=False, ge=-3.4e38, le=3.4e38)]


class WireVector(BaseModel):
    """One of `data`."""

    index: int
    embedding: list[Number] = Field(min_length=1)


class WireUsage(BaseModel):
    prompt_tokens: int = 0


class WireEmbeddings(BaseModel):
    """Of what servers send, the parts we read."""

    data: list[WireVector]
    usage: WireUsage | None = None


def embeddings_of(server: Server, inputs: Sequence[str | Sequence[int]]) -> Embeddings:
    """A vector of each text or list of ids, which the server's own tokenizer frames.

    Raises what the server says, and EngineError for an answer that is no vector of each.
    """
    body = {"model": server.endpoint.model, "input": list(inputs), "encoding_format": "float"}
    answer = server.post(ROUTE, body)
    try:
        found = WireEmbeddings.model_validate(answer)
    except ValidationError as error:
        raise EngineError("The server sent something that is no list of vectors.") from error
    vectors = {one.index: one.embedding for one in found.data}
    if sorted(vectors) != list(range(len(inputs))) or len({len(vector) for vector in vectors.values()}) != 1:
        raise EngineError(f"The server was sent {len(inputs)} texts and did not answer with a vector of each.")
    usage = found.usage or WireUsage()
    return Embeddings(tuple(encoded(vectors[place]) for place in range(len(inputs))), number(usage.prompt_tokens))


def does_embed(server: Server) -> bool:
    """Whether the server embeds with this model, found by one letter; nothing but a try tells.

    One that is too busy to say may: the next request will tell.
    """
    try:
        embeddings_of(server, ["a"])
    except (Busy, FetchError):
        return True
    except ParlorError:
        return False
    return True
