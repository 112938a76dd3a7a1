-- What the user's words to names bind this node to.

-- Whom a nick or an account means since it was written to under seal. Names in the one form that is hashed.
CREATE TABLE pin (
    name TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    -- Unix milliseconds. Of too many the one used longest ago goes.
    used_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Channels that were joined with a passphrase and left: nothing goes there in the open by accident.
CREATE TABLE parted (
    name TEXT PRIMARY KEY,
    -- Unix milliseconds. Of too many the one left longest ago goes.
    parted_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When a stranger last asked to be heard, under seal or in clear, Unix seconds; 0 = never.
ALTER TABLE pair ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;
