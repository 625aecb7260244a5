-- The tables of the first release; tables.sql says what they mean.
CREATE TABLE meta (
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL
);
CREATE TABLE migration (
    number INTEGER NOT NULL,
    applied_at TIMESTAMP NOT NULL
);
CREATE TABLE host (
    host_id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    seen_at TIMESTAMP,
    tried_at TIMESTAMP,
    watched_from TIMESTAMP,
    trouble VARCHAR NOT NULL,
    trouble_code VARCHAR NOT NULL,
    trouble_next VARCHAR NOT NULL,
    trouble_since TIMESTAMP,
    machine_id VARCHAR NOT NULL,
    on_commit VARCHAR NOT NULL,
    facts VARCHAR NOT NULL,
    facts_at TIMESTAMP
);
CREATE TABLE watched (
    host_id INTEGER NOT NULL,
    valid_from TIMESTAMP NOT NULL,
    valid_to TIMESTAMP NOT NULL
);
CREATE TABLE trouble (
    host_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    valid_from TIMESTAMP NOT NULL,
    valid_to TIMESTAMP NOT NULL
);
CREATE TABLE resource (
    res_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL
);
CREATE TABLE body (
    digest UBIGINT NOT NULL,
    text VARCHAR NOT NULL
);
CREATE TABLE observed (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    status UTINYINT NOT NULL,
    state UBIGINT NOT NULL,
    seen_as UBIGINT NOT NULL,
    right_then BOOLEAN,
    why VARCHAR NOT NULL,
    valid_from TIMESTAMP NOT NULL
);
CREATE TABLE observed_past (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    status UTINYINT NOT NULL,
    state UBIGINT NOT NULL,
    right_then BOOLEAN,
    why VARCHAR NOT NULL,
    valid_from TIMESTAMP NOT NULL,
    valid_to TIMESTAMP NOT NULL
);
CREATE TABLE owned (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    origin VARCHAR NOT NULL,
    digest UBIGINT NOT NULL,
    spec UBIGINT NOT NULL,
    commit_id VARCHAR NOT NULL,
    on_remove VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    line INTEGER NOT NULL,
    owned_since TIMESTAMP NOT NULL,
    applied_at TIMESTAMP NOT NULL,
    confirmed BOOLEAN NOT NULL
);
CREATE TABLE commit_read (
    commit_id VARCHAR NOT NULL,
    author VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    authored_at TIMESTAMP NOT NULL,
    tree VARCHAR NOT NULL,
    desired_id VARCHAR NOT NULL,
    standing VARCHAR NOT NULL,
    problems VARCHAR NOT NULL,
    read_at TIMESTAMP NOT NULL
);
CREATE TABLE round (
    round_id INTEGER NOT NULL,
    plan_id VARCHAR NOT NULL,
    commit_id VARCHAR NOT NULL,
    opened_at TIMESTAMP NOT NULL,
    closed_at TIMESTAMP,
    outcome VARCHAR NOT NULL,
    waves INTEGER NOT NULL,
    summary VARCHAR NOT NULL,
    guards VARCHAR NOT NULL
);
CREATE TABLE change (
    round_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    action VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    drifted BOOLEAN NOT NULL,
    wave INTEGER NOT NULL,
    want UBIGINT NOT NULL,
    fields UBIGINT NOT NULL,
    on_remove VARCHAR NOT NULL,
    path VARCHAR NOT NULL,
    line INTEGER NOT NULL,
    commit_id VARCHAR NOT NULL
);
CREATE TABLE outcome (
    round_id INTEGER NOT NULL,
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    result VARCHAR NOT NULL,
    message VARCHAR NOT NULL,
    op VARCHAR NOT NULL,
    changed BOOLEAN NOT NULL,
    seconds DOUBLE NOT NULL,
    ended_at TIMESTAMP NOT NULL
);
CREATE TABLE backoff (
    host_id INTEGER NOT NULL,
    res_id INTEGER NOT NULL,
    digest UBIGINT NOT NULL,
    commit_id VARCHAR NOT NULL,
    tries INTEGER NOT NULL,
    failed_at TIMESTAMP NOT NULL,
    until TIMESTAMP NOT NULL,
    why VARCHAR NOT NULL
);
CREATE TABLE pause (
    pause_id INTEGER NOT NULL,
    selector VARCHAR NOT NULL,
    why VARCHAR NOT NULL,
    who VARCHAR NOT NULL,
    made_at TIMESTAMP NOT NULL,
    until TIMESTAMP NOT NULL,
    ended_at TIMESTAMP,
    ended_by VARCHAR NOT NULL
);
CREATE TABLE approval (
    guard VARCHAR NOT NULL,
    commit_id VARCHAR NOT NULL,
    allowed VARCHAR[] NOT NULL,
    who VARCHAR NOT NULL,
    approved_at TIMESTAMP NOT NULL
);
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
