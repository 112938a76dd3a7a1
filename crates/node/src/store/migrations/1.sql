-- What this node keeps. A migration that was released is never changed: the next one gets the next number.

-- The log: hits for what is listened to, what was sent here, texts from and to wallets.
CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    own INTEGER NOT NULL,
    -- The name it was listened to by, as it was typed.
    name TEXT,
    -- A record: where it is addressed to, what makes it the same as another, all its bytes.
    -- The identity is the MsgId of a dated record (16 bytes), the SHA-256 of a plain one (32 bytes).
    target BLOB,
    identity BLOB UNIQUE,
    record BLOB,
    -- A wallet's text: the wallet's address, the text. The same text may come twice.
    peer TEXT,
    text BLOB,
    CHECK ((record IS NULL) = (text IS NOT NULL)),
    CHECK ((record IS NULL) = (target IS NULL) AND (record IS NULL) = (identity IS NULL)),
    CHECK ((text IS NULL) = (peer IS NULL))
) STRICT;

-- The rows of one target in order of seq: SQLite ends every index with the row's own key.
CREATE INDEX message_by_target ON message (target) WHERE target IS NOT NULL;

-- What must outlive the rows themselves: a seq is never given twice, not even when no message is left.
CREATE TABLE log (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    last_seq INTEGER NOT NULL,
    -- Of records and texts that are kept, with 64 for each message.
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO log (only, last_seq, bytes) VALUES (1, 0, 0);

-- What is listened to until it is unlistened: a name as it was typed, or a bare target.
CREATE TABLE listen (
    place INTEGER PRIMARY KEY,
    typed TEXT UNIQUE,
    target BLOB UNIQUE,
    CHECK ((typed IS NULL) = (target IS NOT NULL))
) STRICT;

-- The address book. Times are Unix seconds, 0 = never.
CREATE TABLE address (
    address TEXT PRIMARY KEY,
    reached INTEGER NOT NULL,
    tried INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    banned_until INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
