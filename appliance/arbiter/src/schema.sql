-- The arbiter's one database. Purpose and retention of every column stand in docs/stored-data.toml; a test compares.
CREATE TABLE ledger (
  seq      INTEGER PRIMARY KEY,
  boot     TEXT    NOT NULL,
  at_ns    INTEGER NOT NULL,
  wall_s   INTEGER NOT NULL,
  event    TEXT    NOT NULL,
  call     TEXT    NOT NULL,
  detail   TEXT    NOT NULL,
  previous BLOB    NOT NULL CHECK (length(previous) = 32),
  hash     BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;

CREATE TABLE open_visit (
  call     TEXT    PRIMARY KEY,
  boot     TEXT    NOT NULL,
  at_ns    INTEGER NOT NULL,
  draft    TEXT    NOT NULL
) STRICT;

CREATE TABLE receipt (
  id       TEXT    PRIMARY KEY,
  body     BLOB    NOT NULL
) STRICT;

CREATE TABLE revision_floor (
  kind     TEXT    PRIMARY KEY,
  revision INTEGER NOT NULL
) STRICT;

CREATE TABLE document (
  kind     TEXT    PRIMARY KEY,
  body     BLOB    NOT NULL
) STRICT;

CREATE TABLE denied (
  target   BLOB    PRIMARY KEY CHECK (length(target) = 32)
) STRICT;

-- Append-only: rows are added at the end and never changed. REPLACE would delete without a delete trigger, so the
-- insert trigger refuses every seq but the next.
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_at_end BEFORE INSERT ON ledger
  WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM ledger)
    OR NEW.previous <> (SELECT coalesce((SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1), zeroblob(32)))
  BEGIN SELECT RAISE(ABORT, 'the ledger grows at its end only'); END;
-- A revision floor never goes down.
CREATE TRIGGER floor_no_delete BEFORE DELETE ON revision_floor BEGIN SELECT RAISE(ABORT, 'a floor stays'); END;
CREATE TRIGGER floor_no_fall BEFORE UPDATE ON revision_floor
  WHEN NEW.revision < OLD.revision OR NEW.kind <> OLD.kind
  BEGIN SELECT RAISE(ABORT, 'a floor never falls'); END;
