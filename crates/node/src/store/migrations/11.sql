-- Erased messages that others may still bring again, and nothing of what they said.
CREATE TABLE erased (
    -- What makes a record the same as another, as in `message`; or the SHA-256 of where a message belonged and of its id.
    identity BLOB PRIMARY KEY,
    -- Unix seconds: from then on nobody has it any more.
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX erased_by_until ON erased (until);
