-- What the user does not want to read.

-- Accounts, nicks and patterns, each as the one text that it is shown by. Keys stand among those declined.
CREATE TABLE ignored (
    what TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
