"""The page's actions for models from elsewhere: the hub, downloads, remote servers, files on this machine."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from modules.app import App
from modules.library.hub.sources import parse_source
from modules.services.standing import standings_of
from modules.types.downloads import Download
from modules.types.hub import HubFormat, HubQuery, Sorting
from modules.ui.actions import View, action
from modules.ui.hub_views import (
    account_view,
    download_view,
    found_view,
    hub_view,
    model_view,
    results_view,
    server_view,
    standing_view,
)
from modules.ui.views import job_view

MOST_PARAMETERS = 10**15
Short = Annotated[str, Field(max_length=200)]
Long = Annotated[str, Field(max_length=2000)]


class Values(BaseModel):
    """What every action here refuses: other types, and names it does not know."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class SearchValues(Values):
    """As HubQuery."""

    words: Short = ""
    task: Short = ""
    format: HubFormat | None = None
    licence: Short = ""
    least_parameters: int = Field(default=0, ge=0, le=MOST_PARAMETERS)
    most_parameters: int = Field(default=0, ge=0, le=MOST_PARAMETERS)
    sorting: Sorting = "downloads"
    cursor: Annotated[str, Field(max_length=4000)] = ""


class ModelValues(Values):
    repository: Long
    revision: Short = "main"


class SourceValues(Values):
    source: Annotated[str, Field(max_length=2000)]


class TokenValues(Values):
    token: Annotated[str, Field(min_length=1, max_length=500)]


class StartValues(Values):
    source: Annotated[str, Field(min_length=1, max_length=2000)]
    choice: Short = ""
    projector: bool = False


class DownloadValues(Values):
    id: Annotated[str, Field(max_length=64)]


class ServerValues(Values):
    """`anyway` keeps a server that does not answer."""

    name: Long
    address: Annotated[str, Field(max_length=4000)]
    api_key: Long = ""
    anyway: bool = False


class ServerName(Values):
    name: Short


class ImportValues(Values):
    """`copy_files` copies; otherwise the model stays where it lies and is only named."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    name: Short
    copy_files: bool = False


class JobValues(Values):
    id: Annotated[str, Field(max_length=64)]


class HubTab:
    """Called by the page on Gradio's threads. The hub and remote servers are asked only by what a person clicked."""

    def __init__(self, app: App) -> None:
        self._app = app

    def actions(self) -> dict[str, Callable[[Any], View]]:
        """By the names the page calls them by."""
        listed = (
            self.hub_state, self.hub_search, self.hub_source, self.hub_model,
            self.hub_account, self.hub_token, self.hub_forget,
            self.download_list, self.download_start, self.download_pause, self.download_resume, self.download_cancel,
            self.download_remove,
            self.remote_list, self.remote_add, self.remote_refresh, self.remote_remove,
            self.import_found, self.import_model, self.import_job,
        )  # fmt: skip
        return {one.__name__: one for one in listed}

    @action(Values)
    def hub_state(self, _values: Values) -> View:
        return hub_view(self._app.hub.endpoint)

    @action(SearchValues)
    def hub_search(self, values: SearchValues) -> View:
        return results_view(self._app.hub.search(HubQuery(**values.model_dump())))

    @action(SourceValues)
    def hub_source(self, values: SourceValues) -> View:
        """What a name or address that a person typed stands for; nobody is asked."""
        return asdict(parse_source(values.source, self._app.hub.endpoint))

    @action(ModelValues)
    def hub_model(self, values: ModelValues) -> View:
        app = self._app
        model = app.hub.model(values.repository, values.revision)
        names = app.library.names_by_place()
        standings = [
            [standing_view(one, names) for one in standings_of(app.paths.models, model, choice)]
            for choice in model.choices
        ]
        return model_view(model, app.hub.endpoint, app.oracle.estimate, standings)

    @action(Values)
    def hub_account(self, _values: Values) -> View:
        return account_view(self._app.hub.account())

    @action(TokenValues)
    def hub_token(self, values: TokenValues) -> View:
        return account_view(self._app.hub.set_token(values.token))

    @action(Values)
    def hub_forget(self, _values: Values) -> View:
        self._app.hub.forget_token()
        return {}

    @action(Values)
    def download_list(self, _values: Values) -> View:
        names = self._app.library.names_by_place()
        return {"downloads": [download_view(one, names) for one in self._app.downloads.downloads()]}

    @action(StartValues)
    def download_start(self, values: StartValues) -> View:
        download = self._app.downloads.start(values.source, choice=values.choice, projector=values.projector)
        return self._shown(download)

    @action(DownloadValues)
    def download_pause(self, values: DownloadValues) -> View:
        return self._shown(self._app.downloads.pause(values.id))

    @action(DownloadValues)
    def download_resume(self, values: DownloadValues) -> View:
        return self._shown(self._app.downloads.resume(values.id))

    @action(DownloadValues)
    def download_cancel(self, values: DownloadValues) -> View:
        return self._shown(self._app.downloads.cancel(values.id))

    @action(DownloadValues)
    def download_remove(self, values: DownloadValues) -> View:
        self._app.downloads.remove(values.id)
        return {}

    @action(Values)
    def remote_list(self, _values: Values) -> View:
        return {"servers": [server_view(one) for one in self._app.remote.servers()]}

    @action(ServerValues)
    def remote_add(self, values: ServerValues) -> View:
        added = self._app.remote.add(values.name, values.address, values.api_key, needs_answer=not values.anyway)
        return {"server": server_view(added)}

    @action(ServerName)
    def remote_refresh(self, values: ServerName) -> View:
        return {"server": server_view(self._app.remote.refresh(values.name))}

    @action(ServerName)
    def remote_remove(self, values: ServerName) -> View:
        self._app.remote.remove(values.name)
        return {}

    @action(Values)
    def import_found(self, _values: Values) -> View:
        return {"models": [found_view(one) for one in self._app.library.found_elsewhere()]}

    @action(ImportValues)
    def import_model(self, values: ImportValues) -> View:
        return {"job": job_view(self._app.library.import_model(values.path, values.name, copy=values.copy_files))}

    @action(JobValues)
    def import_job(self, values: JobValues) -> View:
        """How a copy that was begun gets on."""
        return {"job": job_view(self._app.jobs.get(values.id))}

    def _shown(self, download: Download) -> View:
        return {"download": download_view(download, self._app.library.names_by_place())}
