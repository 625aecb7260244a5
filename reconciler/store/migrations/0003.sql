-- What each host's own file said last, so that it can be told what it doesn't say yet. Of what is known to be there it is
-- taken that all was said: the next look knows better.
ALTER TABLE owned ADD COLUMN told UBIGINT;
ALTER TABLE owned ADD COLUMN told_removal VARCHAR;
UPDATE owned SET told = digest, told_removal = on_remove WHERE confirmed;
CREATE TABLE let_go (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL
);
