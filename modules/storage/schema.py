"""The database's tables; a new step is added at the end and never changed afterwards."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE conversation (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        custom_title INTEGER NOT NULL DEFAULT 0,
        revision INTEGER NOT NULL DEFAULT 0,
        created REAL NOT NULL,
        updated REAL NOT NULL,
        active_leaf TEXT,
        deleted REAL
    );
    CREATE INDEX conversation_by_time ON conversation (updated DESC) WHERE deleted IS NULL;
    CREATE TABLE message (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES message (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        content TEXT NOT NULL,
        reasoning TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL,
        model TEXT NOT NULL DEFAULT '',
        error TEXT NOT NULL DEFAULT '',
        stats TEXT NOT NULL DEFAULT '{}',
        created REAL NOT NULL
    );
    CREATE INDEX message_by_parent ON message (conversation_id, parent_id, sequence);
    CREATE INDEX message_streaming ON message (state) WHERE state = 'streaming';
    CREATE TABLE job (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        progress REAL,
        note TEXT NOT NULL,
        created REAL NOT NULL,
        ended REAL,
        error TEXT NOT NULL
    );
    """,
    # Which of the messages below each one was shown last; at first, those on the paths that are shown.
    """
    ALTER TABLE message ADD COLUMN chosen_child TEXT;
    WITH RECURSIVE branch (id, parent_id) AS (
        SELECT message.id, message.parent_id FROM conversation JOIN message ON message.id = conversation.active_leaf
        UNION ALL
        SELECT message.id, message.parent_id FROM branch JOIN message ON message.id = branch.parent_id
    )
    UPDATE message SET chosen_child = branch.id FROM branch WHERE message.id = branch.parent_id;
    """,
    # What each model was last loaded with, as JSON.
    """
    CREATE TABLE model_options (
        model_id TEXT NOT NULL,
        engine TEXT NOT NULL,
        options TEXT NOT NULL,
        PRIMARY KEY (model_id, engine)
    );
    """,
    # What is remembered of each model, and models that lie elsewhere.
    """
    CREATE TABLE model_record (
        model_id TEXT PRIMARY KEY,
        favourite INTEGER NOT NULL DEFAULT 0,
        note TEXT NOT NULL DEFAULT '',
        last_used REAL
    );
    CREATE TABLE linked_model (
        name TEXT PRIMARY KEY,
        path BLOB NOT NULL,
        created REAL NOT NULL
    );
    """,
    # Servers that run models for us; `models` is a JSON list of names.
    """
    CREATE TABLE remote_server (
        name TEXT PRIMARY KEY,
        address TEXT NOT NULL,
        key TEXT NOT NULL,
        models TEXT NOT NULL,
        checked REAL,
        error TEXT NOT NULL
    );
    """,
    # What was predicted of loads and runs and what they were, by machine; and what each machine reads a second.
    """
    CREATE TABLE model_run (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        machine TEXT NOT NULL,
        model_id TEXT NOT NULL,
        engine TEXT NOT NULL,
        variant TEXT NOT NULL,
        figure TEXT NOT NULL,
        predicted REAL NOT NULL,
        actual REAL NOT NULL,
        created REAL NOT NULL
    );
    CREATE INDEX model_run_by_model ON model_run (machine, model_id, figure);
    CREATE INDEX model_run_by_engine ON model_run (machine, engine, figure);
    CREATE TABLE machine_probe (
        machine TEXT PRIMARY KEY,
        bandwidth REAL NOT NULL
    );
    """,
    # Parameters of everywhere, of models, conversations and documents: a preset's name, and changes as JSON.
    """
    CREATE TABLE parameter_scope (
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        preset TEXT NOT NULL,
        changes TEXT NOT NULL,
        PRIMARY KEY (kind, target)
    );
    """,
    # Documents. `whole_text` is kept now and then, with its `origins`. `begun` counts the characters that a generated
    # version inserted before the model wrote, `kept` are the origins of those that come from elsewhere. `choices` are a
    # token and its alternatives. `document_text` is what the search saw last.
    """
    CREATE TABLE document (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        folder TEXT NOT NULL,
        revision INTEGER NOT NULL DEFAULT 0,
        created REAL NOT NULL,
        updated REAL NOT NULL,
        head INTEGER NOT NULL DEFAULT 0,
        memory TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT '',
        note_depth INTEGER NOT NULL DEFAULT 3,
        deleted REAL
    );
    CREATE INDEX document_by_time ON document (updated DESC) WHERE deleted IS NULL;
    CREATE TABLE document_version (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document_id TEXT NOT NULL REFERENCES document (id) ON DELETE CASCADE,
        parent INTEGER,
        kind TEXT NOT NULL,
        start INTEGER NOT NULL,
        removed INTEGER NOT NULL,
        inserted TEXT NOT NULL,
        kept TEXT NOT NULL DEFAULT '[]',
        begun INTEGER NOT NULL DEFAULT 0,
        length INTEGER NOT NULL,
        since_whole INTEGER NOT NULL,
        whole_text TEXT,
        origins TEXT,
        chosen_child INTEGER,
        state TEXT NOT NULL DEFAULT 'complete',
        model TEXT NOT NULL DEFAULT '',
        error TEXT NOT NULL DEFAULT '',
        stats TEXT NOT NULL DEFAULT '{}',
        created REAL NOT NULL
    );
    CREATE INDEX document_version_by_parent ON document_version (parent, id);
    CREATE INDEX document_version_by_document ON document_version (document_id, id);
    CREATE INDEX document_version_streaming ON document_version (state) WHERE state = 'streaming';
    CREATE TABLE document_token (
        version INTEGER NOT NULL REFERENCES document_version (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        start INTEGER NOT NULL,
        length INTEGER NOT NULL,
        logprob REAL,
        choices TEXT NOT NULL,
        PRIMARY KEY (version, place)
    ) WITHOUT ROWID;
    CREATE TABLE document_text (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        document_id TEXT NOT NULL UNIQUE REFERENCES document (id) ON DELETE CASCADE,
        revision INTEGER NOT NULL,
        title TEXT NOT NULL,
        body TEXT NOT NULL
    );
    """,
    # What became of exports; `agreement` is JSON, empty where nothing was compared.
    """
    CREATE TABLE export_result (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        type TEXT NOT NULL,
        created REAL NOT NULL,
        agreement TEXT NOT NULL,
        error TEXT NOT NULL
    );
    """,
    # The versions a document has shown, in turn; `document.step` is where undo and redo have come to. What documents
    # did before is not known, so theirs is the way from the first version to the one that is shown.
    """
    CREATE TABLE document_step (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        document_id TEXT NOT NULL REFERENCES document (id) ON DELETE CASCADE,
        version INTEGER NOT NULL REFERENCES document_version (id) ON DELETE CASCADE
    );
    CREATE INDEX document_step_by_document ON document_step (document_id, id);
    CREATE INDEX document_step_by_version ON document_step (version);
    ALTER TABLE document ADD COLUMN step INTEGER NOT NULL DEFAULT 0;
    INSERT INTO document_step (document_id, version)
        WITH RECURSIVE path (document_id, version) AS (
            SELECT id, head FROM document
            UNION ALL
            SELECT path.document_id, document_version.parent FROM path
            JOIN document_version ON document_version.id = path.version WHERE document_version.parent IS NOT NULL
        )
        SELECT document_id, version FROM path ORDER BY document_id, version;
    UPDATE document SET step = (SELECT max(id) FROM document_step WHERE document_id = document.id);
    ALTER TABLE document_version DROP COLUMN chosen_child;
    """,
    """
    CREATE TABLE extension (
        name TEXT PRIMARY KEY,
        place INTEGER NOT NULL DEFAULT 0,
        settings TEXT NOT NULL DEFAULT '{}'
    );
    """,
    # Versions of installed extensions: the current, the previous, and one that is just being put in place. `record` is
    # JSON.
    """
    CREATE TABLE extension_install (
        name TEXT NOT NULL,
        place TEXT NOT NULL,
        record TEXT NOT NULL,
        PRIMARY KEY (name, place)
    );
    """,
    # What became of the calls of tools in a reply, as JSON; and which tools a conversation has.
    """
    ALTER TABLE message ADD COLUMN calls TEXT NOT NULL DEFAULT '[]';
    CREATE TABLE conversation_tools (
        conversation_id TEXT PRIMARY KEY REFERENCES conversation (id) ON DELETE CASCADE,
        mode TEXT NOT NULL,
        chosen TEXT NOT NULL,
        always TEXT NOT NULL
    );
    """,
    """
    ALTER TABLE conversation ADD COLUMN folder TEXT NOT NULL DEFAULT '';
    """,
)

# What can be found by words, in one index. `owner` is a conversation or a document, `place` tells which of its texts:
# 0 is the title. Rows are numbered by fours: messages, titles of conversations, texts of documents, their titles.
# Streaming replies enter it once, when they are complete: re-indexing twice a second would cost more than it gives.
# Documents enter it when somebody searches, by way of `document_text`, for they change with every word that is typed.
SEARCH_INDEX = """
    CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (
        body, owner UNINDEXED, place UNINDEXED, tokenize = "unicode61 remove_diacritics 2"
    );
    CREATE TRIGGER IF NOT EXISTS message_added AFTER INSERT ON message WHEN new.state <> 'streaming' BEGIN
        INSERT INTO search (rowid, body, owner, place)
        VALUES (new.sequence * 4, new.content, new.conversation_id, new.sequence);
    END;
    CREATE TRIGGER IF NOT EXISTS message_ended AFTER UPDATE OF content, state ON message
        WHEN new.state <> 'streaming' BEGIN
        DELETE FROM search WHERE rowid = new.sequence * 4;
        INSERT INTO search (rowid, body, owner, place)
        VALUES (new.sequence * 4, new.content, new.conversation_id, new.sequence);
    END;
    CREATE TRIGGER IF NOT EXISTS message_removed AFTER DELETE ON message BEGIN
        DELETE FROM search WHERE rowid = old.sequence * 4;
    END;
    CREATE TRIGGER IF NOT EXISTS title_added AFTER INSERT ON conversation BEGIN
        INSERT INTO search (rowid, body, owner, place) VALUES (new.rowid * 4 + 1, new.title, new.id, 0);
    END;
    CREATE TRIGGER IF NOT EXISTS title_changed AFTER UPDATE OF title ON conversation BEGIN
        DELETE FROM search WHERE rowid = new.rowid * 4 + 1;
        INSERT INTO search (rowid, body, owner, place) VALUES (new.rowid * 4 + 1, new.title, new.id, 0);
    END;
    CREATE TRIGGER IF NOT EXISTS title_removed AFTER DELETE ON conversation BEGIN
        DELETE FROM search WHERE rowid = old.rowid * 4 + 1;
    END;
    CREATE TRIGGER IF NOT EXISTS document_text_added AFTER INSERT ON document_text BEGIN
        INSERT INTO search (rowid, body, owner, place)
        VALUES (new.sequence * 4 + 2, new.body, new.document_id, 1),
            (new.sequence * 4 + 3, new.title, new.document_id, 0);
    END;
    CREATE TRIGGER IF NOT EXISTS document_text_removed AFTER DELETE ON document_text BEGIN
        DELETE FROM search WHERE rowid IN (old.sequence * 4 + 2, old.sequence * 4 + 3);
    END;
"""
FILL_SEARCH_INDEX = """
    INSERT INTO search (rowid, body, owner, place)
    SELECT sequence * 4, content, conversation_id, sequence FROM message WHERE state <> 'streaming';
    INSERT INTO search (rowid, body, owner, place)
    SELECT rowid * 4 + 1, title, id, 0 FROM conversation;
    INSERT INTO search (rowid, body, owner, place)
    SELECT sequence * 4 + 2, body, document_id, 1 FROM document_text
    UNION ALL SELECT sequence * 4 + 3, title, document_id, 0 FROM document_text;
"""
