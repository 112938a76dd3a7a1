-- Where a message stands in its conversation as that is shown. Those that are there get theirs in one go with this: what is read of
-- them for it is no SQL. Then 13_placed.sql is run.
--
-- When it is shown as said, Unix milliseconds. It never changes.
ALTER TABLE message ADD COLUMN shown_ms INTEGER NOT NULL DEFAULT 0;
-- Up to which moment a conversation was read, by what is shown, Unix milliseconds; 0 = not known.
ALTER TABLE read ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
