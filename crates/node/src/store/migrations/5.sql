-- Chat keys that go on as another, by their own word: the first word of each counts. Of people alone whom the user has to do with.
CREATE TABLE heir (
    old BLOB PRIMARY KEY,
    heir BLOB NOT NULL
) STRICT, WITHOUT ROWID;
