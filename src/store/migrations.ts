// The numbered steps from an empty database to the schema of now. A step that was released is never changed: the next
// one corrects it. A newer database than this program knows is not opened.

export interface Migration {
  readonly version: number;
  readonly statements: readonly string[];
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    statements: [
      `CREATE TABLE messages (
        id TEXT PRIMARY KEY, row_version INTEGER NOT NULL, session_id TEXT NOT NULL, started_at INTEGER NOT NULL,
        received_at INTEGER, ended_at INTEGER NOT NULL, client_address TEXT NOT NULL, client_port INTEGER NOT NULL,
        ptr TEXT, helo TEXT NOT NULL, tls TEXT, listener TEXT NOT NULL, direction TEXT NOT NULL,
        mail_from_raw TEXT NOT NULL, mail_from TEXT NOT NULL, mail_from_key TEXT NOT NULL,
        size_bytes INTEGER, sha256 TEXT, message_id TEXT NOT NULL, subject TEXT NOT NULL, header_from TEXT NOT NULL,
        outcome TEXT, score REAL, policy TEXT NOT NULL, reasons TEXT NOT NULL, rules_digest TEXT NOT NULL,
        reply TEXT NOT NULL, next_hop TEXT NOT NULL, findings TEXT NOT NULL, ms TEXT NOT NULL
      ) STRICT, WITHOUT ROWID`,
      // Ids sort by arrival, so the id stands for the time in every index.
      'CREATE INDEX messages_by_sender ON messages (mail_from_key, id)',
      'CREATE INDEX messages_by_client ON messages (client_address, id)',
      'CREATE INDEX messages_by_message_id ON messages (message_id, id)',
      'CREATE INDEX messages_by_digest ON messages (sha256) WHERE sha256 IS NOT NULL',
      `CREATE TABLE copies (
        copy_id TEXT PRIMARY KEY, message_id TEXT NOT NULL REFERENCES messages (id), row_version INTEGER NOT NULL,
        version INTEGER NOT NULL, rcpt_raw TEXT NOT NULL, rcpt TEXT NOT NULL, rcpt_key TEXT NOT NULL,
        state TEXT NOT NULL, words TEXT NOT NULL, host TEXT NOT NULL, updated_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      'CREATE INDEX copies_by_message ON copies (message_id)',
      'CREATE INDEX copies_by_recipient ON copies (rcpt_key, message_id)',
      'CREATE INDEX copies_by_state ON copies (state, message_id)',
      `CREATE TABLE events (
        event_id INTEGER PRIMARY KEY, message_id TEXT NOT NULL, copy_id TEXT, at INTEGER NOT NULL,
        who TEXT NOT NULL, what TEXT NOT NULL, words TEXT NOT NULL
      ) STRICT`,
      'CREATE INDEX events_by_message ON events (message_id)',
      `CREATE TABLE holdings (
        message_id TEXT PRIMARY KEY REFERENCES messages (id), row_version INTEGER NOT NULL, held_at INTEGER NOT NULL,
        stamp TEXT NOT NULL, size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, damage TEXT NOT NULL
      ) STRICT, WITHOUT ROWID`,
      'CREATE INDEX holdings_by_damage ON holdings (damage)',
      `CREATE TABLE items (
        copy_id TEXT PRIMARY KEY REFERENCES copies (copy_id), message_id TEXT NOT NULL REFERENCES holdings (message_id),
        row_version INTEGER NOT NULL, class TEXT NOT NULL, held_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID`,
      'CREATE INDEX items_by_message ON items (message_id)',
      'CREATE INDEX items_by_time ON items (held_at, copy_id)',
      `CREATE TABLE release_marks (
        copy_id TEXT NOT NULL REFERENCES items (copy_id), attempt INTEGER NOT NULL, made_at INTEGER NOT NULL,
        used_at INTEGER, PRIMARY KEY (copy_id, attempt)
      ) STRICT, WITHOUT ROWID`,
    ],
  },
];

export const SCHEMA_VERSION = MIGRATIONS.at(-1)?.version ?? 0;
