"""Every folder and file the program may touch."""

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# In the models' folder, where no model is looked for.
ADAPTERS = "adapters"


@dataclass(frozen=True)
class Paths:
    """Absolute paths; nothing is created by making this object."""

    data: Path
    models: Path
    extensions: Path
    presets: Path = PROJECT / "presets"

    @property
    def database(self) -> Path:
        return self.data / "parlor.db"

    @property
    def lock(self) -> Path:
        return self.data / "lock"

    @property
    def session_secret(self) -> Path:
        return self.data / "session-secret"

    @property
    def hub_token(self) -> Path:
        return self.data / "hub-token"

    @property
    def settings_file(self) -> Path:
        return self.data / "settings.yaml"

    @property
    def adapters(self) -> Path:
        return self.models / ADAPTERS

    @property
    def shipped_templates(self) -> Path:
        return self.presets / "templates"

    @property
    def own_templates(self) -> Path:
        """Chat templates of the person's own."""
        return self.data / "templates"

    @property
    def shipped_presets(self) -> Path:
        return self.presets / "samplers"

    @property
    def own_presets(self) -> Path:
        """Presets of the person's own."""
        return self.data / "presets"

    @property
    def shipped_prompts(self) -> Path:
        return self.presets / "prompts"

    @property
    def own_prompts(self) -> Path:
        """Prompt templates of the person's own."""
        return self.data / "prompts"

    @property
    def runs(self) -> Path:
        """Runs of a template over many inputs, a folder each."""
        return self.data / "runs"

    @property
    def datasets(self) -> Path:
        """Samples to train on: files and folders of the person's own."""
        return self.data / "datasets"

    @property
    def hub_datasets(self) -> Path:
        """What was downloaded of datasets on the hub."""
        return self.data / "hub-datasets"

    @property
    def training(self) -> Path:
        """Finetuning runs, a folder each."""
        return self.data / "training"

    @property
    def planning(self) -> Path:
        """Samples that plans are made with, for as long as the program runs."""
        return self.data / "planning"

    @property
    def extension_uploads(self) -> Path:
        """Files handed to extensions, for as long as the program runs."""
        return self.data / "extension-uploads"

    @property
    def shipped_recipes(self) -> Path:
        return self.presets / "recipes"

    @property
    def own_recipes(self) -> Path:
        """Recipes of the person's own."""
        return self.data / "recipes"

    @property
    def own_extensions(self) -> Path:
        """Extensions that the person installed, a folder each."""
        return self.data / "extensions"

    @property
    def extension_data(self) -> Path:
        """What extensions keep, a folder each."""
        return self.data / "extension-data"

    @property
    def shipped_gallery(self) -> Path:
        """Extensions that others publish."""
        return self.extensions / "gallery.json"

    @property
    def downloads(self) -> Path:
        """Staged downloads, on the models' own file system so that publishing is one rename."""
        return self.models / ".downloads"

    @property
    def trash(self) -> Path:
        """Deleted models, on the same file system for the same reason."""
        return self.models / ".trash"
