-- A wallet's text that is imported is looked for by its wallet and its time: it has no id.
CREATE INDEX message_of_wallet ON message (peer, received_ms) WHERE peer IS NOT NULL;
