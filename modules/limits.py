"""Every bound on what a client may send, in one frozen object."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes or characters, times in seconds, counts as they are."""

    body_bytes: int = 4 * 1024 * 1024
    body_seconds: float = 30.0
    json_depth: int = 32
    header_bytes: int = 32 * 1024
    header_seconds: float = 20.0
    message_chars: int = 1_000_000
    messages: int = 4096
    title_chars: int = 200
    embedding_inputs: int = 2048
    embedding_dimensions: int = 65_536
    stop_strings: int = 16
    stop_chars: int = 256
    texts: int = 64
    labels: int = 100
    run_rows: int = 100_000
    run_columns: int = 200
    run_cell_chars: int = 100_000
    run_input_bytes: int = 64 * 1024 * 1024
    dataset_upload_bytes: int = 2 * 1024 * 1024 * 1024
    dataset_upload_seconds: float = 3600.0
    dataset_rows: int = 10_000_000
    dataset_row_bytes: int = 16 * 1024 * 1024
    dataset_files: int = 100_000
    dataset_memory_bytes: int = 3 * 1024 * 1024 * 1024
    dataset_look_seconds: float = 60.0
    distribution_tokens: int = 50
    logit_biases: int = 1024
    adapters: int = 8
    adapter_name_chars: int = 120
    adapter_weight: float = 4.0
    constraint_chars: int = 100_000
    constraint_seconds: float = 2.0
    constraint_bytes: int = 1024 * 1024 * 1024
    schema_depth: int = 32
    schema_parts: int = 5000
    model_name_chars: int = 500
    model_note_chars: int = 2000
    path_chars: int = 4096
    choices: int = 1000
    hub_words_chars: int = 200
    hub_name_chars: int = 250
    hub_source_chars: int = 2000
    hub_cursor_chars: int = 4000
    hub_token_chars: int = 500
    hub_parameters: int = 10**15
    queued_requests: int = 64
    tools: int = 64
    calls_at_once: int = 8
    tool_description_chars: int = 10_000
    tool_result_chars: int = 16_000
    document_chars: int = 1_000_000
    document_memory_chars: int = 50_000
    document_note_chars: int = 10_000
    document_note_depth: int = 100
    folder_depth: int = 8
    folder_name_chars: int = 80
    continuations: int = 8
    selected_chars: int = 100_000
    server_name_chars: int = 60
    server_key_chars: int = 1000
    remote_models: int = 1000
    remote_model_chars: int = 200
    presets: int = 500
    preset_bytes: int = 256 * 1024
    preset_depth: int = 8
    preset_keys: int = 200
    preset_description_chars: int = 2000
    context_tokens: int = 4_194_304
    template_chars: int = 200_000
    template_seconds: float = 2.0
    template_output_chars: int = 8_000_000
    extension_upload_bytes: int = 256 * 1024 * 1024
    extension_upload_seconds: float = 600.0
    extension_answer_bytes: int = 32 * 1024 * 1024
    extension_parts: int = 200
    extension_rows: int = 1000
    extension_cell_chars: int = 2000
    extension_values: int = 200
    word_lines: int = 50_000
    render_chars: int = 200_000
    reader_buffer_bytes: int = 4 * 1024 * 1024


LIMITS = Limits()
