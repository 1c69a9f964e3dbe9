"""The hub, downloads and servers as the page shows them: plain values; a card's HTML is already safe."""

from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import quote, urlsplit

from modules.services.hub import HubAccount
from modules.services.library import FoundModel
from modules.services.remote import RemoteServer
from modules.services.suitability import Estimating, Judged, judge, recommend
from modules.types.downloads import Download
from modules.types.estimates import Estimate
from modules.types.hub import HubModel, HubResults
from modules.ui.actions import View
from modules.ui.card_markup import render_card

CONTEXTS = (4096, 8192, 16_384, 32_768)
DEFAULT_CONTEXT = 8192


def hub_view(endpoint: str) -> View:
    """The hub as it is called in sentences, without asking it anything."""
    return {"name": urlsplit(endpoint).hostname or endpoint, "address": endpoint}


def account_view(account: HubAccount) -> View:
    return {"user": account.user, "has_token": account.has_token, "from_environment": account.from_environment}


def results_view(results: HubResults) -> View:
    return {"entries": [asdict(entry) for entry in results.entries], "next": results.next}


def model_view(model: HubModel, endpoint: str, estimate: Estimating) -> View:
    """`estimates` and `recommended` are by context length, so that choosing another one asks nobody anything."""
    page = f"{endpoint}/{quote(model.entry.repository)}"
    contexts = contexts_of(model)
    judged = {context: judge(estimate, model, context) for context in contexts}
    return {
        **asdict(model.entry),
        "revision": model.revision,
        "page": page,
        "card": render_card(model.card, f"{page}/blob/{quote(model.revision)}/"),
        "has_access": model.has_access,
        "files": [{"path": file.path, "size_bytes": file.size_bytes} for file in model.files],
        "contexts": contexts,
        "context": min(DEFAULT_CONTEXT, contexts[-1]),
        "choices": [choice_view(model, place, judged) for place in range(len(model.choices))],
        "recommended": {str(context): recommendation_view(of_context) for context, of_context in judged.items()},
    }


def contexts_of(model: HubModel) -> list[int]:
    """Those the model can hold, and its own maximum; shortest first."""
    longest = max((choice.shape.context_length for choice in model.choices), default=0)
    if not longest:
        return list(CONTEXTS)
    return [*(length for length in CONTEXTS if length < longest), longest]


def choice_view(model: HubModel, place: int, judged: dict[int, tuple[Judged, ...]]) -> View:
    choice = model.choices[place]
    projector = choice.projector
    return {
        "name": choice.name,
        "format": choice.format,
        "size_bytes": choice.size_bytes,
        "files": len(choice.files),
        "problem": choice.problem,
        "projector_bytes": projector.size_bytes if projector else None,
        "estimates": {
            str(context): estimate_view(of_context[place].estimate) for context, of_context in judged.items()
        },
    }


def recommendation_view(judged: Sequence[Judged]) -> View | None:
    best = recommend(judged)
    return asdict(best) if best else None


def estimate_view(estimate: Estimate | None) -> View | None:
    if estimate is None:
        return None
    speed = estimate.tokens_per_second
    return {
        "fit": estimate.fit,
        "memory": asdict(estimate.memory),
        "speed": asdict(speed) if speed else None,
        "note": estimate.note,
    }


def download_view(download: Download) -> View:
    """`model` is what the library calls it; empty for an adapter, which is not loaded by itself."""
    is_adapter = download.target.startswith("adapters/")
    return {**asdict(download), "model": "" if is_adapter else download.target.removesuffix(".gguf")}


def server_view(server: RemoteServer) -> View:
    return {
        "name": server.name,
        "address": server.address,
        "has_key": server.has_key,
        "models": list(server.models),
        "checked": server.checked,
        "error": server.error,
        "reachable": server.reachable,
        "last_heard": server.last_heard,
    }


def found_view(found: FoundModel) -> View:
    return asdict(found)
