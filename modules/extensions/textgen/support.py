"""What a text-generation-webui extension may use here, name by name, and what it may not."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Support:
    """`name` is a function of the script, a dotted name it imports, or a key; `how` is a sentence about it."""

    name: str
    supported: bool
    how: str


def rows(supported: bool, how: str, names: Iterable[str]) -> tuple[Support, ...]:
    return tuple(Support(name, supported, how) for name in names)


SCRIPT_FUNCTIONS = (
    Support(
        "setup",
        True,
        "Called when the extension is enabled or the program starts with it; where there is a "
        "logits processor, in the model's process before each reply too.",
    ),
    Support("ui", True, "Simple controls become a panel beside conversations, or a tab with `is_tab`."),
    Support("custom_css", True, "Added to the page's styles."),
    Support("custom_js", True, "Added to the page as a module, after its own scripts."),
    Support("state_modifier", True, "Sees and changes the keys of `state` below, for this reply."),
    Support("history_modifier", True, "Changes which earlier turns the model reads; nothing of it is saved."),
    Support("chat_input_modifier", True, "Changes what the model reads; what is shown stays as it was typed."),
    Support("input_modifier", True, "In chats the person's message, elsewhere the whole prompt."),
    Support("custom_generate_chat_prompt", True, "Makes the whole prompt, or one around `generate_chat_prompt`."),
    Support("bot_prefix_modifier", True, "Gets an empty text; what it returns begins the reply, unseen."),
    Support("logits_processor_modifier", True, "With the transformers engine; llama.cpp takes no code, and says so."),
    Support("custom_generate_reply", True, "Writes the reply instead of the model; its text may only grow."),
    Support("output_modifier", True, "Once, on the finished reply, which is text and not yet HTML."),
    Support("tokenizer_modifier", False, "Token ids and embeddings are made in the model's own process."),
    Support("custom_tokenized_length", False, "Tokens are counted by the model's own tokenizer."),
)
PARAMS = (
    Support('params["display_name"]', True, "The title of its panel or tab."),
    Support('params["is_tab"]', True, "Whether `ui` becomes a tab."),
    Support("params[...]", True, "Truth values, numbers, texts and lists of texts can be set in its settings."),
    Support("EXTENSION-PARAM", True, "A setting under such a name counts for `params[PARAM]`."),
)
STATE = (
    *rows(True, "A knob of the reply; what is changed counts.", (
        'state["temperature"]', 'state["top_p"]', 'state["min_p"]', 'state["top_k"]', 'state["typical_p"]',
        'state["tfs"]', 'state["top_a"]', 'state["xtc_threshold"]', 'state["xtc_probability"]',
        'state["repetition_penalty"]', 'state["presence_penalty"]', 'state["frequency_penalty"]',
        'state["no_repeat_ngram_size"]', 'state["dry_multiplier"]', 'state["dry_base"]',
        'state["dry_allowed_length"]', 'state["smoothing_factor"]', 'state["smoothing_curve"]',
        'state["guidance_scale"]', 'state["negative_prompt"]', 'state["ban_eos_token"]',
    )),
    Support('state["seed"]', True, "-1 is a random one."),
    Support('state["max_new_tokens"]', True, "0 is as many as the context leaves room for."),
    Support('state["custom_stopping_strings"]', True, "Quoted texts with commas between them."),
    Support('state["context"]', True, "The system message; what is changed counts."),
    Support('state["history"]', True, "`internal` and `visible` pairs of earlier turns; what is changed counts."),
    *rows(True, "Can be read, and is always the same: `chat`, `You`, `AI`, `None`, true.", (
        'state["mode"]', 'state["name1"]', 'state["name2"]', 'state["character_menu"]', 'state["stream"]',
    )),
    Support('state["unique_id"]', True, "The conversation's id; empty where there is none."),
)  # fmt: skip
SHARED = (
    Support("modules.shared.model_name", True, "The name of the model that is asked."),
    Support("modules.shared.settings", True, "A dictionary of the script's own, in which no key of the program is."),
    *rows(True, "Can be read, and is always false or empty.", (
        "modules.shared.is_seq2seq", "modules.shared.lora_names", "modules.shared.args.verbose",
        "modules.shared.args.listen", "modules.shared.args.share", "modules.shared.args.cpu",
        "modules.shared.args.nowebui", "modules.shared.args.multi_user", "modules.shared.stop_everything",
        "modules.shared.session_is_loading",
    )),
    Support("modules.shared.args.extensions", True, "The names of the extension itself alone."),
    Support("modules.shared.processing_message", True, "Can be set and read; it is not shown."),
    *rows(False, "The model works in a process of its own.", ("modules.shared.model", "modules.shared.tokenizer")),
    *rows(False, "The page is another, and its controls cannot be reached.", (
        "modules.shared.gradio", "modules.shared.input_elements", "modules.shared.input_params",
        "modules.shared.reload_inputs", "modules.shared.persistent_interface_state", "modules.shared.need_restart",
    )),
    Support("modules.shared.generation_lock", False, "Replies are written beside each other, without one lock."),
    Support("modules.shared.history", False, "There are many conversations; `state` holds that of the reply."),
    Support("modules.shared.user_data_dir", False, "Files of an extension belong in its own folder."),
)  # fmt: skip
CHAT = (
    Support("modules.chat.generate_chat_prompt", True, "Within custom_generate_chat_prompt, as a text to put "
            "other text around; it cannot be looked into."),
    Support("modules.chat.replace_character_names", True, "Puts names in the place of {{user}}, {{char}} and such."),
    *rows(False, "Replies begin with a message that a person or a program sends.", (
        "modules.chat.generate_chat_reply", "modules.chat.generate_chat_reply_wrapper", "modules.chat.chatbot_wrapper",
        "modules.chat.impersonate_wrapper", "modules.chat.send_dummy_message", "modules.chat.send_dummy_reply",
    )),
    *rows(False, "Conversations lie in the program's own database.", (
        "modules.chat.load_history", "modules.chat.save_history", "modules.chat.find_all_histories",
        "modules.chat.redraw_html", "modules.chat.start_new_chat", "modules.chat.load_latest_history",
        "modules.chat.remove_last_message", "modules.chat.replace_last_reply",
    )),
    *rows(False, "There are no characters of that kind.", (
        "modules.chat.load_character", "modules.chat.save_character", "modules.chat.upload_character",
        "modules.chat.generate_pfp_cache",
    )),
    *rows(False, "The prompt is made by the model's own chat template.", (
        "modules.chat.get_generation_prompt", "modules.chat.get_stopping_strings", "modules.chat.get_turn_substrings",
    )),
)  # fmt: skip
OTHER_MODULES = (
    Support("modules.text_generation.generate_reply", True, "Asks the loaded model; yields the whole reply once."),
    *rows(False, "The model works in a process of its own.", (
        "modules.text_generation.encode", "modules.text_generation.decode",
        "modules.text_generation.get_encoded_length", "modules.text_generation.stop_everything_event",
        "modules.models.load_model", "modules.models.unload_model", "modules.models.reload_model",
    )),
    Support("modules.logging_colors.logger", True, "Its lines are shown on the extension's card."),
    *rows(False, "The page is another, and its controls cannot be reached.", (
        "modules.ui_chat.inputs", "modules.ui_chat.reload_arr", "modules.ui.create_refresh_button",
        "modules.ui.gather_interface_values", "modules.ui.list_interface_input_elements", "modules.utils.gradio",
        "modules.html_generator.chat_html_wrapper", "modules.html_generator.convert_to_markdown",
        "modules.html_generator.get_image_cache",
    )),
    Support("modules.extensions.apply_extensions", False, "Extensions do not call each other."),
)  # fmt: skip
GRADIO = (
    *rows(True, "A place for other controls; one with a label becomes a heading.", (
        "gradio.Accordion", "gradio.Blocks", "gradio.Box", "gradio.Column", "gradio.Group", "gradio.Row",
        "gradio.Tab", "gradio.TabItem", "gradio.Tabs",
    )),
    Support("gradio.Slider", True, "A number within its limits."),
    Support("gradio.Number", True, "A number."),
    Support("gradio.Checkbox", True, "A switch."),
    Support("gradio.Textbox", True, "A text; several lines with `lines`, hidden with `type=\"password\"`."),
    Support("gradio.Dropdown", True, "One of its choices; several at once cannot be chosen."),
    Support("gradio.Radio", True, "One of its choices."),
    Support("gradio.Button", True, "A button; changes of other controls count before its click."),
    Support("gradio.Markdown", True, "Text."),
    Support("gradio.HTML", True, "Text; scripts and pictures from elsewhere are left out."),
    Support("gradio.State", True, "A value that is not shown."),
    Support("gradio.update", True, "New `value`, `choices`, `label` or `visible` of a control."),
    Support("gradio.skip", True, "Leaves a control as it is."),
    *rows(True, "A line on the extension's card.", ("gradio.Info", "gradio.Warning")),
    Support("gradio.Error", True, "Raised, it says why a button did nothing."),
    *rows(False, "There is no such control for extensions.", (
        "gradio.Audio", "gradio.Image", "gradio.Gallery", "gradio.Video", "gradio.File", "gradio.Dataframe",
        "gradio.Dataset", "gradio.Plot", "gradio.Chatbot", "gradio.CheckboxGroup", "gradio.ColorPicker",
        "gradio.Code", "gradio.JSON", "gradio.UploadButton", "gradio.Examples", "gradio.Interface",
    )),
)  # fmt: skip
SUPPORT: tuple[Support, ...] = (*SCRIPT_FUNCTIONS, *PARAMS, *STATE, *SHARED, *CHAT, *OTHER_MODULES, *GRADIO)
# What is not in the table is refused with this.
UNKNOWN = "It is none of the names that are supported."


def support_of(name: str) -> Support:
    """The row of `name`, or of what it is a part of; a refusal where there is neither."""
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        if row := row_of(".".join(parts[:length])):
            return row
    return row_of(name) or Support(name, False, UNKNOWN)


def row_of(name: str) -> Support | None:
    return next((row for row in SUPPORT if row.name == name), None)


def is_module(name: str) -> bool:
    """Whether rows are about what is in it."""
    return any(row.name.startswith(f"{name}.") for row in SUPPORT)


def refusal(name: str) -> str:
    """A sentence about a name that is refused."""
    return f"`{name}` cannot be used. {support_of(name).how}"


def as_markdown() -> str:
    """The table as the extensions' documentation shows it."""
    lines = [f"| `{row.name}` | {'yes' if row.supported else 'no'} | {row.how} |" for row in SUPPORT]
    return "\n".join(["| name | supported | how |", "|---|---|---|", *lines]) + "\n"
