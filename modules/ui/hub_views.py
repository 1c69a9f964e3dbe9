"""The hub, downloads and servers as the page shows them: plain values; a card's HTML is already safe."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from urllib.parse import quote, urlsplit

from modules.services.hub import HubAccount
from modules.services.library import FoundModel
from modules.services.remote import RemoteServer
from modules.services.standing import Standing
from modules.services.suitability import Estimating, Judged, judge, recommend
from modules.types.downloads import Download
from modules.types.estimates import Estimate
from modules.types.hub import HubModel, HubResults
from modules.ui.actions import View
from modules.ui.card_markup import render_card

CARD = "README.md"
CONTEXTS = (4096, 8192, 16_384, 32_768)
DEFAULT_CONTEXT = 8192


def hub_view(endpoint: str) -> View:
    """The hub as it is called in sentences, without asking it anything."""
    return {"name": urlsplit(endpoint).hostname or endpoint, "address": endpoint}


def account_view(account: HubAccount) -> View:
    return {"user": account.user, "has_token": account.has_token, "from_environment": account.from_environment}


def results_view(results: HubResults) -> View:
    return {"entries": [asdict(entry) for entry in results.entries], "next": results.next}


def model_view(model: HubModel, endpoint: str, estimate: Estimating, standings: Sequence[Sequence[View]]) -> View:
    """`standings` has for each choice where it stands on this machine: without what reads images, then with it.

    `estimates` and `recommended` are by context length, so that choosing another one asks nobody anything."""
    page = f"{endpoint}/{quote(model.entry.repository)}"
    contexts = contexts_of(model)
    judged = {context: judge(estimate, model, context) for context in contexts}
    return {
        **asdict(model.entry),
        "revision": model.revision,
        "page": page,
        "card": render_card(model.card, f"{page}/blob/{quote(model.revision)}/", card_bytes(model)),
        "has_access": model.has_access,
        "files": [{"path": file.path, "size_bytes": file.size_bytes} for file in model.files],
        "contexts": contexts,
        "context": min(DEFAULT_CONTEXT, contexts[-1]),
        "choices": [
            {**choice_view(model, place, judged), "standings": of_choice} for place, of_choice in enumerate(standings)
        ],
        "recommended": {str(context): recommendation_view(of_context) for context, of_context in judged.items()},
    }


def card_bytes(model: HubModel) -> int:
    """All of it, also where its beginning alone was asked for."""
    return next((file.size_bytes for file in model.files if file.path == CARD), 0)


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


def standing_view(standing: Standing, names: Mapping[str, str]) -> View:
    """`model` is what the library calls it; empty for what is not here, and for an adapter."""
    return {**asdict(standing), "model": names.get(standing.target, "") if standing.is_here else ""}


def download_view(download: Download, names: Mapping[str, str]) -> View:
    """`model` is what the library calls what has come, by its place in `names`; empty for an adapter."""
    return {**asdict(download), "model": names.get(download.target, "") if download.state == "done" else ""}


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
