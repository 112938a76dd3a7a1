-- What the user's words to names bind this node to.

-- Whom a nick or an account means since it was written to under seal. Names in the one form that is hashed.
CREATE TABLE pin (
    name TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    -- Unix milliseconds. Of too many the one used longest ago goes.
    used_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
