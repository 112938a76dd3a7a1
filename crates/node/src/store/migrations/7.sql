-- Search, and how far conversations were read.

-- What can be read of a message, by its seq. Holds words, not texts: to forget some, the text must be given again. Then its words are
-- overwritten. (With contentless_delete they would stay in the file until a merge.)
CREATE VIRTUAL TABLE message_text USING fts5(text, content = '', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO message_text (message_text, rank) VALUES ('secure-delete', 1);

-- Whether it names the user: one of his nicks, as a word.
ALTER TABLE message ADD COLUMN mention INTEGER NOT NULL DEFAULT 0;
CREATE INDEX message_by_mention ON message (conversation) WHERE mention;

-- Up to which seq a conversation was read, on whatever front end.
CREATE TABLE read (
    conversation TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Whether the texts of all messages can be searched: 0 = they are to be looked at when the file is opened.
ALTER TABLE log ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;
