-- The second part of 13.sql: all messages have their times by now, so the index is made by one sort.
--
-- The rows of one conversation as they are shown; of those shown at the same time in order of seq, with which SQLite ends every index.
CREATE INDEX message_by_shown ON message (conversation, shown_ms) WHERE conversation IS NOT NULL;
UPDATE read SET until_ms = coalesce((SELECT shown_ms FROM message WHERE message.conversation = read.conversation AND +message.seq <= read.seq
                                     ORDER BY shown_ms DESC LIMIT 1), 0);
