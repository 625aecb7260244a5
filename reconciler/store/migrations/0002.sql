-- What the newest reading of the repository came to, so that a plan of the same tree need not read it again.
CREATE TABLE reading (
    key VARCHAR NOT NULL,
    document VARCHAR NOT NULL,
    read_at TIMESTAMP NOT NULL
);
CREATE TABLE reading_host (
    host_id INTEGER NOT NULL,
    document VARCHAR NOT NULL
);
CREATE TABLE reading_want (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    digest UBIGINT NOT NULL,
    aim UBIGINT NOT NULL,
    spread INTEGER NOT NULL,
    removal INTEGER NOT NULL
);
CREATE TABLE reading_spec (
    digest UBIGINT NOT NULL,
    text VARCHAR NOT NULL
);
