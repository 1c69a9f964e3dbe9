"""The App: every service of the program, built in one place."""

from dataclasses import dataclass

from modules.children import Launcher
from modules.engines.budget import Budget
from modules.engines.grammar_checker import GrammarChecker
from modules.engines.host import EngineHost
from modules.engines.idle import IdleUnloader
from modules.engines.loaded import LoadedModel
from modules.engines.registry import engine_named
from modules.extensions.budgets import USUAL, Budgets
from modules.extensions.registry import Extensions
from modules.jobs import JobRunner
from modules.library.adapters import AdapterLibrary
from modules.library.library import Library
from modules.machine import identity
from modules.paths import Paths
from modules.prompts.renderer import TemplateRenderer
from modules.services.adapters import AdapterService
from modules.services.agreement import AgreementCheck
from modules.services.batch_runs import BatchRunService
from modules.services.chat import ChatService
from modules.services.conversation_samples import ConversationSamples
from modules.services.conversion import ConversionService
from modules.services.dataset_checks import DatasetChecks
from modules.services.datasets import DatasetService
from modules.services.document_writer import DocumentWriter
from modules.services.downloads import DownloadService
from modules.services.embedding import EmbeddingService
from modules.services.export import ExportService
from modules.services.export_sources import ExportSources
from modules.services.extension_gallery import GalleryService
from modules.services.extension_host import HostServices
from modules.services.extension_install import ExtensionInstaller
from modules.services.extension_offers import ExtensionOffers
from modules.services.extension_uploads import ExtensionUploads
from modules.services.gguf_adapters import GgufAdapters
from modules.services.hub import HubService
from modules.services.inference import Inference
from modules.services.install_policy import InstallPolicy
from modules.services.library import LibraryService
from modules.services.load_options import LoadOptions
from modules.services.models import ModelService
from modules.services.next_token import NextTokenService
from modules.services.notebook import NotebookService
from modules.services.oracle import Oracle
from modules.services.parameters import ParameterService
from modules.services.presets import PresetService
from modules.services.prompt_templates import PromptTemplateService
from modules.services.pushing import PushService
from modules.services.remote import RemoteService, model_for_worker
from modules.services.tool_replies import ToolReplies
from modules.services.tool_reply import RoundLimits
from modules.services.tools import ToolService
from modules.services.trainable_models import TrainableModels
from modules.services.training import TrainingService
from modules.services.training_comparison import TrainingComparison
from modules.services.training_plan import TrainingPlanner
from modules.settings import Settings
from modules.storage.batch_runs import RunStore
from modules.storage.chat_templates import ChatTemplates
from modules.storage.conversation_tools import ConversationTools
from modules.storage.conversations import ConversationStore
from modules.storage.database import Database
from modules.storage.datasets import DatasetStore
from modules.storage.document_versions import VersionStore
from modules.storage.documents import DocumentStore
from modules.storage.downloads import DownloadStore
from modules.storage.export_results import ExportResults
from modules.storage.extension_installs import ExtensionInstalls
from modules.storage.extension_states import ExtensionStates
from modules.storage.job_records import JobRecords
from modules.storage.linked_models import LinkedModels
from modules.storage.model_options import ModelOptionsStore
from modules.storage.model_records import ModelRecords
from modules.storage.model_runs import ModelRunStore
from modules.storage.parameters import ParameterStore
from modules.storage.presets import PresetStore
from modules.storage.prompt_templates import PromptTemplateStore
from modules.storage.recipes import RecipeStore
from modules.storage.remote_servers import RemoteServerStore
from modules.storage.training_runs import TrainingStore
from modules.training.datasets.reader import DatasetReader
from modules.types.generation import Failed, Finished


@dataclass(frozen=True)
class Finetuning:
    """The services by which models learn, from samples to what is shown to others."""

    datasets: DatasetService
    checks: DatasetChecks
    recipes: RecipeStore
    training: TrainingService
    comparison: TrainingComparison
    conversion: ConversionService
    export: ExportService
    pushing: PushService


@dataclass(frozen=True)
class App:
    """Built once per program; `close` ends every worker, job and file it holds.

    `notices` are sentences a person should see: damaged files set aside, a folder that cannot be written.
    """

    settings: Settings
    paths: Paths
    models: ModelService
    library: LibraryService
    oracle: Oracle
    adapters: AdapterService
    remote: RemoteService
    inference: Inference
    embeddings: EmbeddingService
    chat: ChatService
    notebook: NotebookService
    next_token: NextTokenService
    presets: PresetService
    parameters: ParameterService
    prompts: PromptTemplateService
    runs: BatchRunService
    hub: HubService
    downloads: DownloadService
    finetuning: Finetuning
    extensions: Extensions
    tools: ToolService
    tool_replies: ToolReplies
    installer: ExtensionInstaller
    gallery: GalleryService
    offers: ExtensionOffers
    jobs: JobRunner
    notices: tuple[str, ...]
    persistent: bool
    _host: EngineHost
    _idle: IdleUnloader
    _renderer: TemplateRenderer
    _grammars: GrammarChecker
    _database: Database
    _launcher: Launcher

    def stop_replies(self) -> None:
        """Before the program ends: stop what is being written, save it, and let its readers see the end."""
        self.chat.close()
        self.notebook.close()
        self._host.cancel_all()

    def close(self) -> None:
        self.stop_replies()
        self.downloads.close()
        self.finetuning.training.close()
        self.jobs.close()
        self.installer.close()
        self.extensions.close()
        self.inference.close()
        self.embeddings.close()
        self.offers.close()
        self._idle.close()
        self.oracle.close()
        self._host.close()
        self._renderer.close()
        self._grammars.close()
        self._database.close()
        self._launcher.close()


def build_app(
    settings: Settings, notices: tuple[str, ...] = (), *, starts_extensions: bool = True, budgets: Budgets = USUAL
) -> App:
    """The only place where objects meet. Raises StartError or StorageError when the data folder cannot be used.

    `budgets` are those of extensions. With `starts_extensions` those that are enabled run from now on.
    """
    paths = settings.paths
    launcher = Launcher()
    database = Database.open(paths.database)
    renderer = TemplateRenderer(launcher)
    grammars = GrammarChecker(launcher)
    servers = RemoteServerStore(database)
    model_runs = ModelRunStore(database, identity())
    oracle = Oracle(model_runs, launcher)
    budget = Budget(settings.memory_budget_mib, oracle.machine)
    states = ExtensionStates(database)
    extensions = Extensions(paths, states, budgets)
    host = EngineHost(
        launcher,
        budget,
        kinds=extensions.kinds,
        for_worker=model_for_worker(servers),
        tell_loaded=lambda loaded: extensions.notify("model_loaded", model=loaded.model.id, engine=loaded.engine),
    )
    remote = RemoteService(servers, host)
    idle = IdleUnloader(host, settings.idle_unload_minutes)
    jobs = JobRunner(JobRecords(database), lambda job: extensions.notify("job_finished", job=job))
    templates = ChatTemplates(paths.shipped_templates, paths.own_templates)
    remembered = ModelOptionsStore(database)
    options = LoadOptions(settings, remembered, templates)
    links = LinkedModels(database)
    library = Library(paths.models, settings.further_model_folders, links.all)
    hub = HubService(settings.hub_endpoint, paths.hub_token)
    models = ModelService(settings, library, host, jobs, options, remote=remote, oracle=oracle)
    scopes = ParameterStore(database)
    kept = LibraryService(
        paths,
        library,
        links=links,
        records=ModelRecords(database),
        options=remembered,
        parameters=scopes,
        jobs=jobs,
        in_use=lambda name: host.current(name) is not None,
    )

    def record_run(loaded: LoadedModel, end: Finished | Failed) -> None:
        remote.ended(loaded.model, end)
        if isinstance(end, Finished):
            oracle.record_run(loaded, end)
            kept.used(loaded.model.id)

    gguf_adapters = GgufAdapters(launcher)
    adapter_library = AdapterLibrary(paths.adapters)
    adapters = AdapterService(adapter_library, host, gguf_adapters)
    inference = Inference(models, renderer, grammars, record_run, extensions)
    embeddings = EmbeddingService(models)
    conversations = ConversationStore(database)
    services = HostServices(
        extensions,
        inference,
        models,
        embeddings,
        jobs,
        has_conversation=conversations.has,
        data=paths.extension_data,
        models_folder=paths.models,
    )
    installer = ExtensionInstaller(
        paths,
        extensions,
        states=states,
        installs=ExtensionInstalls(database),
        jobs=jobs,
        policy=InstallPolicy.of(settings),
    )
    installer.recover()
    if starts_extensions:
        extensions.start(services.host)
    offers = ExtensionOffers(extensions, ExtensionUploads(paths.extension_uploads), installer.policy)
    tools = ToolService(extensions, inference, ConversationTools(database))
    tool_replies = ToolReplies(tools, RoundLimits(settings.tool_rounds, settings.tool_seconds))
    documents, versions = DocumentStore(database), VersionStore(database)
    presets = PresetStore(paths.shipped_presets, paths.own_presets)
    parameters = ParameterService(
        scopes, presets, models, {"model": models.find, "conversation": conversations.get, "document": documents.get}
    )
    writer = DocumentWriter(
        versions, inference, lambda document, model: parameters.for_reply(model=model or "", document=document)
    )
    notebook = NotebookService(documents, versions, conversations, writer, inference)
    prompts = PromptTemplateService(PromptTemplateStore(paths.shipped_prompts, paths.own_prompts), inference, models)
    datasets = DatasetService(
        DatasetStore(paths.datasets),
        DatasetReader(launcher),
        ConversationSamples(conversations),
        hub,
        paths.hub_datasets,
    )
    trainable = TrainableModels(library)
    planner = TrainingPlanner(
        paths,
        trainable.find,
        datasets.sound_examples,
        launcher,
        machine=oracle.machine,
        runs=model_runs,
        threads=settings.threads,
        chat_template=lambda model: options.template_name(model, engine_named("transformers")),
    )
    training = TrainingService(paths, trainable, planner, datasets.sound_examples, launcher, threads=settings.threads)
    sources = ExportSources(adapter_library, library, TrainingStore(paths.training))
    finetuning = Finetuning(
        datasets=datasets,
        checks=DatasetChecks(datasets, jobs),
        recipes=RecipeStore(paths.shipped_recipes, paths.own_recipes),
        training=training,
        comparison=TrainingComparison(training, adapter_library, models, adapters, inference),
        conversion=ConversionService(paths, library, launcher),
        export=ExportService(
            paths,
            sources,
            jobs,
            launcher,
            results=ExportResults(database),
            agreement=AgreementCheck(launcher, renderer),
            gguf_adapters=gguf_adapters,
        ),
        pushing=PushService(sources, hub, jobs),
    )
    return App(
        settings=settings,
        paths=paths,
        models=models,
        library=kept,
        oracle=oracle,
        adapters=adapters,
        remote=remote,
        inference=inference,
        embeddings=embeddings,
        chat=ChatService(
            conversations,
            inference,
            parameters,
            tools=tool_replies,
            commands=offers.commands,
            saved=lambda conversation: extensions.notify("conversation_saved", conversation_id=conversation),
        ),
        notebook=notebook,
        next_token=NextTokenService(inference, models, parameters, conversations.path, notebook.context),
        presets=PresetService(presets, parameters),
        parameters=parameters,
        prompts=prompts,
        runs=BatchRunService(RunStore(paths.runs), prompts, models, jobs),
        hub=hub,
        downloads=DownloadService(paths.models, DownloadStore(paths.downloads), hub),
        finetuning=finetuning,
        extensions=extensions,
        tools=tools,
        tool_replies=tool_replies,
        installer=installer,
        gallery=GalleryService(settings.extension_gallery, paths.shipped_gallery),
        offers=offers,
        jobs=jobs,
        notices=(*notices, *database.notices),
        persistent=database.persistent,
        _host=host,
        _idle=idle,
        _renderer=renderer,
        _grammars=grammars,
        _database=database,
        _launcher=launcher,
    )
