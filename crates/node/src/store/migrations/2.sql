-- Messages that were opened, who writes them, and the keys of conversations.

-- Where a message belongs: a channel, a nick or an account in the one form that is hashed, or `@` and a chat key.
-- NULL for what an earlier program stored, and for texts of wallets.
ALTER TABLE message ADD COLUMN conversation TEXT;
-- What two records that say the same have in common (docs/wire/envelope.md): NULL when it could not be read.
ALTER TABLE message ADD COLUMN message_id BLOB;
-- The chat key of the author; NULL when it is not known.
ALTER TABLE message ADD COLUMN author BLOB;
-- The chat key of this node that it was opened with, or written with.
ALTER TABLE message ADD COLUMN own_key BLOB;
-- The first byte of the body: how it was wrapped. NULL for a record that is no envelope.
ALTER TABLE message ADD COLUMN form INTEGER;
-- What it says once opened: a map, or the text inside PascalCoin's own seals.
ALTER TABLE message ADD COLUMN said BLOB;
-- Why it could not be read.
ALTER TABLE message ADD COLUMN unreadable TEXT;
-- What was known of the author's account when it came.
ALTER TABLE message ADD COLUMN state TEXT;
-- Whether it came from somebody whom the user does not know.
ALTER TABLE message ADD COLUMN request INTEGER NOT NULL DEFAULT 0;

-- Within one conversation one id is one message, however it was wrapped, cut, sealed or repeated.
CREATE UNIQUE INDEX message_by_id ON message (conversation, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX message_by_conversation ON message (conversation) WHERE conversation IS NOT NULL;
CREATE INDEX message_by_author ON message (author) WHERE author IS NOT NULL;

-- Names that are read with a secret: the root of a channel's passphrase, or a password of PascalCoin's own kind.
CREATE TABLE joined (
    -- The name in the one form that is hashed, and as it was typed.
    name TEXT PRIMARY KEY,
    typed TEXT NOT NULL,
    root BLOB,
    password TEXT
) STRICT;

-- Two who talk under seal: a chat key of this node and another.
CREATE TABLE pair (
    own BLOB NOT NULL,
    other BLOB NOT NULL,
    -- 0 = a stranger who wrote to us, 1 = somebody we wrote to or accepted, 2 = declined.
    relation INTEGER NOT NULL,
    -- Unix seconds, 0 = never: when we last wrote, when something valid last came on the pair's own target, and when
    -- anything last came.
    wrote INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    PRIMARY KEY (own, other)
) STRICT, WITHOUT ROWID;

-- Who was heard of: what a chat key says of itself, and what the chain says of it.
CREATE TABLE speaker (
    key BLOB PRIMARY KEY,
    nick TEXT,
    -- The author's time of the card, Unix milliseconds.
    nick_ms INTEGER NOT NULL,
    account INTEGER,
    state TEXT NOT NULL,
    -- Who said so, at which block, and when (Unix milliseconds).
    source TEXT NOT NULL,
    block INTEGER NOT NULL,
    looked_ms INTEGER NOT NULL,
    heard_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Delegations: of those with one account, point and chat key the one that counts.
CREATE TABLE proof (
    account INTEGER NOT NULL,
    key BLOB NOT NULL,
    point BLOB NOT NULL,
    bytes BLOB NOT NULL,
    -- Whether the account's key was once seen to be this point.
    matched INTEGER NOT NULL,
    -- Whether this node made it, and tells it again.
    own INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    PRIMARY KEY (account, key, point)
) STRICT, WITHOUT ROWID;

-- With which of this node's chat keys a conversation is held; NULL = with none.
CREATE TABLE speaks (
    conversation TEXT PRIMARY KEY,
    key BLOB
) STRICT, WITHOUT ROWID;
