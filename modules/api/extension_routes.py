"""/ext/NAME/...: what extensions answer over HTTP."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from modules.api.errors import error_object
from modules.app import App

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OWNER_ONLY = "This address is for the owner alone: sign in, or send the key set by --admin-key."


def extension_routes_router(app: App) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.api_route("/ext/{name}/{path:path}", methods=list(METHODS))
    @router.api_route("/ext/{name}", methods=list(METHODS))
    async def answer(request: Request, name: str, path: str = "") -> Response:  # pyright: ignore[reportUnusedFunction]
        """An extension chooses status, body and media type; every other header is the program's."""
        found = await run_in_threadpool(app.offers.routes.find, name, path)
        if found.audience == "owner" and not request.scope["parlor"].is_owner:
            return JSONResponse(error_object(OWNER_ONLY, 403, None, "owner_only"), 403)
        if request.method not in found.route.methods:
            allowed = ", ".join(found.route.methods)
            message = f"{request.method} is not known here; {allowed} is."
            return JSONResponse(error_object(message, 405, None, None), 405, {"Allow": allowed})
        body = await request.body()
        given = await run_in_threadpool(
            app.offers.routes.answer, found, request.method, dict(request.query_params), body
        )
        assert isinstance(given.body, bytes)
        return Response(given.body, given.status, {"Content-Type": given.media_type})

    return router
