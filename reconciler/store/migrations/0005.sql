-- What was applied before, of kinds that can go back to it, and who went back, against Git's word.
CREATE TABLE applied_past (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    digest UBIGINT NOT NULL,
    spec UBIGINT NOT NULL,
    commit_id VARCHAR NOT NULL,
    valid_from TIMESTAMP NOT NULL,
    valid_to TIMESTAMP NOT NULL
);
CREATE TABLE rollback (
    rollback_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    away VARCHAR NOT NULL,
    version VARCHAR NOT NULL,
    commit_id VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    who VARCHAR NOT NULL,
    made_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP,
    ended_by VARCHAR NOT NULL
);
CREATE TABLE rollback_host (
    rollback_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    digest UBIGINT NOT NULL,
    spec UBIGINT NOT NULL
);
