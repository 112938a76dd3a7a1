-- All of the message was handed to links. Whether it left this machine is certain a little later; then the row goes.
ALTER TABLE outbox ADD COLUMN went INTEGER NOT NULL DEFAULT 0;
