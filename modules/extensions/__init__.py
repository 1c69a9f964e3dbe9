"""What an extension imports: `from modules.extensions import hook, Tool, ...`; see extensions/README.md."""

from modules.errors import ParlorError
from modules.extensions.contracts import (
    API_VERSION,
    Button,
    Command,
    DocumentReader,
    EmbeddingModel,
    ExtensionHost,
    Field,
    Heading,
    LogitsProcessor,
    Panel,
    Part,
    Passage,
    Progress,
    RequestContext,
    Route,
    RouteAnswer,
    RouteRequest,
    StreamTransformer,
    Tab,
    Table,
    Text,
    Tool,
    ToolContext,
    ViewEvent,
)
from modules.extensions.hooks import hook
from modules.types.generation import Constraint
from modules.types.jobs import Job
from modules.types.messages import Message
from modules.types.packaged_models import PackagedFile, PackagedModel
from modules.types.reply_params import ReplyParams

__all__ = (
    "API_VERSION",
    "Button",
    "Command",
    "Constraint",
    "DocumentReader",
    "EmbeddingModel",
    "ExtensionHost",
    "Field",
    "Heading",
    "Job",
    "LogitsProcessor",
    "Message",
    "PackagedFile",
    "PackagedModel",
    "Panel",
    "ParlorError",
    "Part",
    "Passage",
    "Progress",
    "ReplyParams",
    "RequestContext",
    "Route",
    "RouteAnswer",
    "RouteRequest",
    "StreamTransformer",
    "Tab",
    "Table",
    "Text",
    "Tool",
    "ToolContext",
    "ViewEvent",
    "hook",
)
