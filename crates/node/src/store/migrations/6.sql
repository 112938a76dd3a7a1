-- What happened after a message was stored, and how far own messages came.

-- Its numbers are of one row with those of messages.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    -- 1 = a message changed, 2 = an author is known otherwise, 3 = a message was erased.
    kind INTEGER NOT NULL,
    -- 1, 3: its seq, and where it belonged.
    message INTEGER,
    conversation TEXT,
    target BLOB,
    -- 2: the chat key.
    author BLOB,
    CHECK ((message IS NULL) = (kind = 2)),
    CHECK ((author IS NULL) = (kind <> 2))
) STRICT;
CREATE INDEX event_by_conversation ON event (conversation) WHERE conversation IS NOT NULL;
CREATE INDEX event_by_target ON event (target) WHERE target IS NOT NULL;
CREATE INDEX event_of_author ON event (kind) WHERE kind = 2;

-- Messages and events that are kept.
ALTER TABLE log ADD COLUMN entries INTEGER NOT NULL DEFAULT 0;
UPDATE log SET entries = (SELECT count(*) FROM message);

-- Of an own message: 0 = waits for work, 1 = waits for a peer, 2 = sent to peers, 3 = peers say that they hold it,
-- 4 = acknowledged, 5 = failed. NULL = nobody kept track.
ALTER TABLE message ADD COLUMN delivery INTEGER;
-- How many peers; why it failed.
ALTER TABLE message ADD COLUMN delivery_peers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE message ADD COLUMN delivery_why TEXT;

-- Own messages that did not all go out yet: what is sent again, and until when.
CREATE TABLE outbox (
    conversation TEXT NOT NULL,
    message_id BLOB NOT NULL,
    -- Unix milliseconds, Unix seconds.
    queued_ms INTEGER NOT NULL,
    deadline INTEGER NOT NULL,
    worked INTEGER NOT NULL,
    -- As it is: its records, one behind the other.
    records BLOB,
    -- Or wrapped anew under a new date. 0 = to a target, 1 = under a channel's passphrase, 2 = a first contact, 3 = to a pair's own target.
    way INTEGER,
    -- 0: the target. 1: the channel, 2: the name to write to. 2, 3: the other's chat key.
    target BLOB,
    name TEXT,
    other BLOB,
    -- What it says, who says it, and for how many seconds it may be flooded each time.
    map BLOB,
    author BLOB,
    lifetime INTEGER,
    CHECK ((records IS NULL) = (way IS NOT NULL)),
    PRIMARY KEY (conversation, message_id)
) STRICT, WITHOUT ROWID;
