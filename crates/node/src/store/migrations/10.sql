-- Whether a message came after its time: it is history, never news.
ALTER TABLE message ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
