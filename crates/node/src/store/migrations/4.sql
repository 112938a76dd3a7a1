-- What strangers send must not push out what counts.

-- Ends of delegations, beside the delegations: of those with one account, point and chat key the last issued.
CREATE TABLE ended (
    account INTEGER NOT NULL,
    key BLOB NOT NULL,
    point BLOB NOT NULL,
    bytes BLOB NOT NULL,
    -- Whether the account's key was once seen to be this point.
    matched INTEGER NOT NULL,
    -- Whether this node made it.
    own INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    -- Whether a delegation that it ends was seen here.
    seen INTEGER NOT NULL,
    PRIMARY KEY (account, key, point)
) STRICT, WITHOUT ROWID;
-- The sixth byte of a delegation is its scope, and that of an end is 0.
INSERT INTO ended SELECT account, key, point, bytes, matched, own, received_ms, matched OR own FROM proof
    WHERE substr(bytes, 6, 1) = x'00';
DELETE FROM proof WHERE substr(bytes, 6, 1) = x'00';

-- When something first came from somebody, Unix milliseconds.
ALTER TABLE speaker ADD COLUMN first_ms INTEGER NOT NULL DEFAULT 0;
UPDATE speaker SET first_ms = heard_ms;

-- Chat keys that are not to be heard and that no key of this node has to do with. Of too many the one declined longest ago goes.
CREATE TABLE declined (
    key BLOB PRIMARY KEY,
    -- Unix milliseconds.
    declined_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
