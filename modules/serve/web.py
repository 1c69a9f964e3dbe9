"""The two web applications behind the dispatcher: the API with the page's live streams, and the Gradio page."""

from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from modules.app import App


def build_api(app: App) -> Any:
    """A FastAPI app with /v1, /control, the page's streams and assets. Imports FastAPI, so call it off the loop."""
    from fastapi import FastAPI
    from fastapi.staticfiles import StaticFiles

    from modules.api.adapters import adapters_router
    from modules.api.batch import batch_router
    from modules.api.control import control_router
    from modules.api.datasets import datasets_router
    from modules.api.distribution import distribution_router
    from modules.api.downloads import downloads_router
    from modules.api.errors import install_error_shapes
    from modules.api.export import export_router
    from modules.api.extension_routes import extension_routes_router
    from modules.api.extension_views import extension_views_router
    from modules.api.extensions import extensions_router
    from modules.api.hub import hub_router
    from modules.api.library import library_router
    from modules.api.models import models_control_router
    from modules.api.openai.chat import chat_router
    from modules.api.openai.completions import completions_router
    from modules.api.openai.embeddings import embeddings_router
    from modules.api.openai.models import models_router
    from modules.api.openai.tokenize import tokenize_router
    from modules.api.oracle import oracle_router
    from modules.api.parameters import parameters_router
    from modules.api.presets import presets_router
    from modules.api.prompts import prompts_router
    from modules.api.recipes import recipes_router
    from modules.api.remote import remote_router
    from modules.api.training import training_router
    from modules.serve.page_routes import page_routes
    from modules.ui.asset_files import ASSETS
    from modules.ui.markup import render_message

    api = FastAPI(title="Parlor", docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")
    install_error_shapes(api)
    routers = (
        chat_router,
        completions_router,
        embeddings_router,
        tokenize_router,
        models_router,
        control_router,
        models_control_router,
        adapters_router,
        export_router,
        library_router,
        hub_router,
        downloads_router,
        remote_router,
        oracle_router,
        presets_router,
        parameters_router,
        prompts_router,
        batch_router,
        distribution_router,
        datasets_router,
        training_router,
        recipes_router,
        extensions_router,
        partial(extension_views_router, render=render_message),
        extension_routes_router,
        page_routes,
    )
    for router in routers:
        api.include_router(router(app))
    api.mount("/parlor-assets/{version}", StaticFiles(directory=ASSETS))
    return api


def build_page_app(app: App) -> tuple[Any, AbstractAsyncContextManager[Any]]:
    """(the Gradio page as an ASGI app, its lifespan to enter in the running loop). Imports Gradio: seconds.

    Mounted on an app of its own because Gradio's events hang when it is mounted on one that already runs.
    """
    import os

    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import gradio
    from fastapi import FastAPI

    from modules.ui.adapters_tab import AdaptersTab
    from modules.ui.chat_tab import ChatTab
    from modules.ui.hub_tab import HubTab
    from modules.ui.models_tab import ModelsTab
    from modules.ui.notebook_tab import NotebookTab
    from modules.ui.page import build_page, page_options
    from modules.ui.parameters_tab import ParametersTab

    tabs = (
        ChatTab(app),
        NotebookTab(app),
        ModelsTab(app),
        AdaptersTab(app),
        HubTab(app),
        ParametersTab(app),
    )
    inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    gradio.mount_gradio_app(  # pyright: ignore[reportUnknownMemberType]
        inner,
        build_page({name: act for tab in tabs for name, act in tab.actions().items()}),
        path="/",
        blocked_paths=[str(app.paths.data), str(app.paths.models)],
        run_history=False,
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        max_file_size="100mb",
        **page_options(),
    )
    return inner, inner.router.lifespan_context(inner)
