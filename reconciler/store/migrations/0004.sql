-- What was read of a resource and is of the moment: the newest alone, without history.
CREATE TABLE moment (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    read_at TIMESTAMP NOT NULL,
    body VARCHAR NOT NULL
);
-- What a kind said of a change, for people: it is worked out of two specs, of which the older one is soon gone.
ALTER TABLE change ADD COLUMN notes UBIGINT;
