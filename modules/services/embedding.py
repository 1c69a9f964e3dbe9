"""Texts to vectors: tokenized, sorted by length, and computed in pieces between which a request can end."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from threading import Event as Flag

from modules.engines.loaded import LoadedModel
from modules.errors import BadRequest, Busy, Cancelled
from modules.limits import LIMITS
from modules.services.models import ModelService
from modules.services.remote import FORMAT as REMOTE_FORMAT
from modules.types.embeddings import Embeddings

# What the engine is asked for at once; a request that was cancelled computes no more than that in vain.
PIECE_TOKENS = 2048
# Servers take no more texts at once, some of them, and count for themselves: this is about what English has.
PIECE_TEXTS = 32
CHARS_PER_TOKEN = 4
# Requests that other machines compute at once.
ELSEWHERE = 4


class EmbeddingService:
    """Requests are computed one after the other on this machine: a model has one thread for all, and chats wait for it.

    Those that servers answer do not wait for these.
    """

    def __init__(self, models: ModelService) -> None:
        self._models = models
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embed")
        self._elsewhere = ThreadPoolExecutor(ELSEWHERE, thread_name_prefix="embed elsewhere")
        self._places = BoundedSemaphore(LIMITS.queued_requests)

    def embed(self, inputs: Sequence[str | Sequence[int]], model: str | None, cancelled: Flag) -> Future[Embeddings]:
        """A vector of each text; token ids are taken as they are. Loads the model if need be.

        Raises NotFound for an unknown model, Busy when too many requests wait. The future raises BadRequest for a
        text that is empty or too long and for a model that cannot embed, Cancelled once `cancelled` is set.
        """
        chosen = self._models.chosen(model, to_embed=True)
        if not self._places.acquire(blocking=False):
            raise Busy(f"{LIMITS.queued_requests} requests are waiting already. Try again in a moment.")
        threads = self._elsewhere if chosen.format == REMOTE_FORMAT else self._thread
        future = threads.submit(self._embed, inputs, chosen.id, cancelled)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def close(self) -> None:
        for threads in (self._thread, self._elsewhere):
            threads.shutdown(wait=False, cancel_futures=True)

    def _embed(self, inputs: Sequence[str | Sequence[int]], model: str, cancelled: Flag) -> Embeddings:
        if cancelled.is_set():
            raise Cancelled("Nobody waits for these embeddings any more.")
        with self._models.in_use(model) as loading:
            return vectors_of(loading.result.result(), inputs, cancelled)


def vectors_of(loaded: LoadedModel, inputs: Sequence[str | Sequence[int]], cancelled: Flag) -> Embeddings:
    can = loaded.capabilities
    if not can.embeds:
        raise BadRequest(
            f"The server of {loaded.model.title} does not embed with it; choose an embedding model."
            if can.renders_chat
            else f"The {loaded.engine} engine does not embed; choose a model in Hugging Face format.",
            field="model",
        )
    with loaded.embedding():
        embed, lengths = prepared_elsewhere(loaded, inputs) if can.renders_chat else prepared(loaded, inputs)
        vectors, tokens = [""] * len(inputs), 0
        for places in pieces(lengths, most_texts=PIECE_TEXTS if can.renders_chat else len(inputs)):
            if cancelled.is_set():
                raise Cancelled("Nobody waits for these embeddings any more.")
            found = embed(places)
            tokens += found.tokens
            for place, vector in zip(places, found.vectors, strict=True):
                vectors[place] = vector
    return Embeddings(tuple(vectors), tokens)


# The vectors of the inputs at these places.
EmbedPiece = Callable[[list[int]], Embeddings]


def prepared(loaded: LoadedModel, inputs: Sequence[str | Sequence[int]]) -> tuple[EmbedPiece, list[int]]:
    """(what embeds some of the inputs, how many tokens each has). Raises BadRequest for one that cannot be read."""
    texts = [checked(loaded, place, one) for place, one in enumerate(inputs)]

    def embed(places: list[int]) -> Embeddings:
        read = [texts[place] for place in places]
        return Embeddings(tuple(loaded.embed(read)), sum(len(tokens) for tokens in read))

    return embed, [len(tokens) for tokens in texts]


def prepared_elsewhere(loaded: LoadedModel, inputs: Sequence[str | Sequence[int]]) -> tuple[EmbedPiece, list[int]]:
    """As `prepared`, for an engine that takes texts as they are; lengths are estimates."""

    def embed(places: list[int]) -> Embeddings:
        return loaded.embed_texts([inputs[place] for place in places])

    return embed, [len(one) // CHARS_PER_TOKEN + 1 if isinstance(one, str) else len(one) for one in inputs]


def embedding_tokens(loaded: LoadedModel, text: str) -> tuple[int, ...]:
    """The ids of a whole text to embed, with what the model wants before and after it."""
    before, after = loaded.capabilities.embedding_frame
    return (*before, *loaded.tokenize(text), *after)


def checked(loaded: LoadedModel, place: int, one: str | Sequence[int]) -> tuple[int, ...]:
    """The ids of an input; raises BadRequest when there are none, or more than the model can read."""
    tokens = embedding_tokens(loaded, one) if isinstance(one, str) else tuple(one)
    limit = loaded.capabilities.context_length
    if not tokens:
        raise BadRequest("There is no token in this text.", field=f"input.{place}")
    if len(tokens) > limit:
        raise BadRequest(
            f"Input {place} has {len(tokens):,} tokens, but this model reads {limit:,} at most. Cut it into parts.",
            field=f"input.{place}",
        )
    return tokens


def pieces(lengths: Sequence[int], most_texts: int) -> Iterator[list[int]]:
    """The places of all texts, shortest first, in pieces of PIECE_TOKENS; a longer text is a piece by itself."""
    piece: list[int] = []
    tokens = 0
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if piece and (tokens + lengths[place] > PIECE_TOKENS or len(piece) == most_texts):
            yield piece
            piece, tokens = [], 0
        piece.append(place)
        tokens += lengths[place]
    if piece:
        yield piece
