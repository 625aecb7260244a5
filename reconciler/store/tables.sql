-- What trueup remembers. This file is the documentation; migrations/NNNN.sql make it so, a test holds both equal.
--
-- Conventions. Times are TIMESTAMP in UTC. A digest is the 8 bytes of core.model.digest as a number, 0 where there is
-- none. Ids are small integers, so that a join of millions of rows compares numbers. Kinds are text, never an ENUM: a
-- new kind changes nothing here. Nothing here is secret: sealed fields hold keyed hashes. No verdict is stored: it is
-- worked out when somebody reads, so that silence turns into Unknown by itself.

-- Facts about this file.
CREATE TABLE meta (
    name VARCHAR NOT NULL,              -- `fleet`, `trueup`, `probe KIND`
    value VARCHAR NOT NULL              -- a digest of the fleet's key, the version that wrote last, the digest of a kind's probe
);

-- The migrations that were applied, in order.
CREATE TABLE migration (
    number INTEGER NOT NULL,            -- as in the file's name
    applied_at TIMESTAMP NOT NULL       -- when
);

-- Every host that was ever in the inventory, and what the last visits said of it as a whole.
CREATE TABLE host (
    host_id INTEGER NOT NULL,           -- given once, never reused
    name VARCHAR NOT NULL,              -- metadata.name of the Host; changes only by previousName
    seen_at TIMESTAMP,                  -- the last look that read all that is declared; NULL: never looked at
    tried_at TIMESTAMP,                 -- the last visit, whether it got through or not
    watched_from TIMESTAMP,             -- since when it was looked at without a gap (see watched)
    trouble VARCHAR NOT NULL,           -- why the last visit did not get through, in a sentence; empty when it did
    trouble_code VARCHAR NOT NULL,      -- the same as a word of trip/troubles.py
    trouble_next VARCHAR NOT NULL,      -- what to do about it
    trouble_since TIMESTAMP,            -- first visit in a row that did not get through
    machine_id VARCHAR NOT NULL,        -- its /etc/machine-id: another one means it was reborn
    on_commit VARCHAR NOT NULL,         -- the last commit that a full look found it to be as
    facts VARCHAR NOT NULL,             -- JSON: os, kernel, python, clock skew
    facts_at TIMESTAMP                  -- when the facts were read
);

-- Spans in which a host was looked at without a gap, closed ones; the open one is host.watched_from to host.seen_at.
CREATE TABLE watched (
    host_id INTEGER NOT NULL,           -- host
    valid_from TIMESTAMP NOT NULL,      -- first look
    valid_to TIMESTAMP NOT NULL         -- last look before the gap
);

-- Past troubles of hosts; the present one stands in host.
CREATE TABLE trouble (
    host_id INTEGER NOT NULL,           -- host
    code VARCHAR NOT NULL,              -- a word of trip/troubles.py
    why VARCHAR NOT NULL,               -- a sentence
    valid_from TIMESTAMP NOT NULL,      -- first visit that did not get through
    valid_to TIMESTAMP NOT NULL         -- first visit that did, or that failed otherwise
);

-- Names of resources, apart from hosts: (kind, name).
CREATE TABLE resource (
    res_id INTEGER NOT NULL,            -- given once, never reused
    kind VARCHAR NOT NULL,              -- KIND.name
    name VARCHAR NOT NULL               -- metadata.name
);

-- Bodies of states, specs and field changes, once each: canonical JSON by its digest.
CREATE TABLE body (
    digest UBIGINT NOT NULL,            -- core.model.digest of the text
    text VARCHAR NOT NULL               -- canonical JSON
);

-- What is observed now, one row a key that was ever looked at.
CREATE TABLE observed (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    status UTINYINT NOT NULL,           -- 0 Unknown, 1 Present, 2 Absent
    state UBIGINT NOT NULL,             -- body of the whole state, 0 unless Present
    seen_as UBIGINT NOT NULL,           -- digest of the state through the eyes of what was wanted at the reading
                                        -- (core.diff.view); the wanted digest (with what is ignored) when all was right.
                                        -- A filter only: core.diff decides
    right_then BOOLEAN,                 -- whether it was as wanted when read; NULL: not declared then, or Unknown
    why VARCHAR NOT NULL,               -- why Unknown; else empty
    valid_from TIMESTAMP NOT NULL       -- the reading that first found it so
);

-- The same for the past: what was observed before, with the span in which it held.
CREATE TABLE observed_past (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    status UTINYINT NOT NULL,           -- as in observed
    state UBIGINT NOT NULL,             -- as in observed
    right_then BOOLEAN,                 -- as in observed
    why VARCHAR NOT NULL,               -- as in observed
    valid_from TIMESTAMP NOT NULL,      -- first reading that found it so
    valid_to TIMESTAMP NOT NULL         -- first reading that found it otherwise
);

-- What was read of a resource and is of the moment (`x-moment` in a kind's schema.yaml): it differs at each look, so there
-- is no history of it. One row a key that has any, gone when the resource is.
CREATE TABLE moment (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    read_at TIMESTAMP NOT NULL,         -- when
    body VARCHAR NOT NULL               -- JSON: the fields by name
);

-- What trueup keeps on hosts: the memory that makes a deletion possible and safe.
CREATE TABLE owned (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    origin VARCHAR NOT NULL,            -- `created`, or `found` when it was right already
    digest UBIGINT NOT NULL,            -- of the spec as last applied
    spec UBIGINT NOT NULL,              -- body of that spec, sealed
    commit_id VARCHAR NOT NULL,         -- the commit that was applied
    on_remove VARCHAR NOT NULL,         -- what leaving Git means; empty: the kind's default
    path VARCHAR NOT NULL,              -- the manifest's file
    line INTEGER NOT NULL,              -- and line
    owned_since TIMESTAMP NOT NULL,     -- when trueup began to keep it
    applied_at TIMESTAMP NOT NULL,      -- when this digest reached the host
    confirmed BOOLEAN NOT NULL,         -- the host's own file says so too; if not, it is shown and never deleted
    told UBIGINT,                       -- the digest that the host's own file said last; NULL: it didn't name it
    told_removal VARCHAR                -- and its on_remove
);

-- What was let go of while the host's own file still says that trueup owns it: to be told at the next visit.
CREATE TABLE let_go (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL             -- resource
);

-- Commits that were read, valid or not.
CREATE TABLE commit_read (
    commit_id VARCHAR NOT NULL,         -- Git's id
    author VARCHAR NOT NULL,            -- name of the author
    subject VARCHAR NOT NULL,           -- first line of its message
    authored_at TIMESTAMP NOT NULL,     -- author time
    tree VARCHAR NOT NULL,              -- id of its tree
    desired_id VARCHAR NOT NULL,        -- digest of what it means; empty when it is refused
    standing VARCHAR NOT NULL,          -- `held`, `stopped` by a guard of its plan, or `refused` for its errors
    problems VARCHAR NOT NULL,          -- JSON list of its problems, warnings too
    read_at TIMESTAMP NOT NULL          -- when it was read last: the newest held one is in force
);

-- Rounds: written down before their trips, closed after: the journal that a restart reads.
CREATE TABLE round (
    round_id INTEGER NOT NULL,          -- counts from 1
    plan_id VARCHAR NOT NULL,           -- hash of the canonical plan
    commit_id VARCHAR NOT NULL,         -- what it converges to
    opened_at TIMESTAMP NOT NULL,       -- before the first trip
    closed_at TIMESTAMP,                -- NULL: still running, or killed
    outcome VARCHAR NOT NULL,           -- in a word, when closed
    waves INTEGER NOT NULL,             -- how many waves the plan has
    summary VARCHAR NOT NULL,           -- JSON: resources by action
    guards VARCHAR NOT NULL             -- JSON list of the guards that it met, with who approved
);

-- The changes of a round's plan.
CREATE TABLE change (
    round_id INTEGER NOT NULL,          -- round
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    action VARCHAR NOT NULL,            -- create, update, delete or replace
    reason VARCHAR NOT NULL,            -- core.model.Reason
    drifted BOOLEAN NOT NULL,           -- edited and drifted at once
    wave INTEGER NOT NULL,              -- from 1 on
    want UBIGINT NOT NULL,              -- digest of the wanted spec, 0 for a delete
    fields UBIGINT NOT NULL,            -- body: [[path, before, after], …], secrets masked
    on_remove VARCHAR NOT NULL,         -- for a delete: what becomes of it
    path VARCHAR NOT NULL,              -- the manifest's file
    line INTEGER NOT NULL,              -- and line
    commit_id VARCHAR NOT NULL,         -- the commit that the source was read at
    notes UBIGINT                       -- body: a list of what the kind said of it, for people; NULL: nothing
);

-- What became of changes on their hosts.
CREATE TABLE outcome (
    round_id INTEGER NOT NULL,          -- round; 0 when none was open
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    result VARCHAR NOT NULL,            -- core.model.Result
    message VARCHAR NOT NULL,           -- what the op said, capped at 2,000 characters
    op VARCHAR NOT NULL,                -- title of the op that decided it
    changed BOOLEAN NOT NULL,           -- whether it changed the host
    seconds DOUBLE NOT NULL,            -- how long it took
    ended_at TIMESTAMP NOT NULL         -- when the visit ended
);

-- Failed changes that wait before they are tried again.
CREATE TABLE backoff (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    digest UBIGINT NOT NULL,            -- of what was wanted; 0 for a delete
    commit_id VARCHAR NOT NULL,         -- a new commit tries at once
    tries INTEGER NOT NULL,             -- failures in a row: 1, 5, 30 minutes, then every 30
    failed_at TIMESTAMP NOT NULL,       -- first failure in the row
    until TIMESTAMP NOT NULL,           -- not before this
    why VARCHAR NOT NULL                -- what the op said last
);

-- Pauses, past ones too.
CREATE TABLE pause (
    pause_id INTEGER NOT NULL,          -- counts from 1
    selector VARCHAR NOT NULL,          -- which hosts
    why VARCHAR NOT NULL,               -- as given
    who VARCHAR NOT NULL,               -- the user of the socket's peer
    made_at TIMESTAMP NOT NULL,         -- when
    until TIMESTAMP NOT NULL,           -- ends by itself
    ended_at TIMESTAMP,                 -- resumed early
    ended_by VARCHAR NOT NULL           -- by whom; empty when it ran out or still runs
);

-- What was applied before, of kinds that can go back to it (Kind.rolls_back); what is applied now stands in owned.
CREATE TABLE applied_past (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    digest UBIGINT NOT NULL,            -- of the spec
    spec UBIGINT NOT NULL,              -- body of that spec, sealed
    commit_id VARCHAR NOT NULL,         -- the commit that was applied
    valid_from TIMESTAMP NOT NULL,      -- when it reached the host
    valid_to TIMESTAMP NOT NULL         -- when another took its place
);

-- Rollbacks, past ones too: a resource is to be as it was, though Git says otherwise.
CREATE TABLE rollback (
    rollback_id INTEGER NOT NULL,       -- counts from 1
    res_id INTEGER NOT NULL,            -- resource
    away VARCHAR NOT NULL,              -- the version that Git wanted then; when it wants another, the rollback is over
    version VARCHAR NOT NULL,           -- the version that was gone back to
    commit_id VARCHAR NOT NULL,         -- whose version that is
    why VARCHAR NOT NULL,               -- as given
    who VARCHAR NOT NULL,               -- the user of the socket's peer
    made_at TIMESTAMP NOT NULL,         -- when
    ended_at TIMESTAMP,                 -- when it was over
    ended_by VARCHAR NOT NULL           -- by whom or by which commit; empty while it holds
);

-- What each host goes back to.
CREATE TABLE rollback_host (
    rollback_id INTEGER NOT NULL,       -- rollback
    host_id INTEGER NOT NULL,           -- host
    digest UBIGINT NOT NULL,            -- of the spec
    spec UBIGINT NOT NULL               -- body of that spec, sealed
);

-- Approvals: a human's yes to one guard of what one commit was shown to do.
CREATE TABLE approval (
    guard VARCHAR NOT NULL,             -- the rule's name
    commit_id VARCHAR NOT NULL,         -- the commit
    allowed VARCHAR[] NOT NULL,         -- digests of (key, action, after) that were shown
    who VARCHAR NOT NULL,               -- the user of the socket's peer
    approved_at TIMESTAMP NOT NULL      -- when
);

-- What the newest reading of the repository came to (kept.py), and a second row with what it remembers of single files:
-- each worth nothing under another key.
CREATE TABLE reading (
    key VARCHAR NOT NULL,               -- digest of the files' paths and blobs, of trueup's own code, and of the fleet's key;
                                        -- `memory` and the same without the files
    document VARCHAR NOT NULL,          -- JSON: the policy, the manifests without their hosts, the warnings; manifests/memory.py's
    read_at TIMESTAMP NOT NULL          -- when it was written down
);

-- The inventory of that reading, in the order of the hosts' names.
CREATE TABLE reading_host (
    host_id INTEGER NOT NULL,           -- host
    document VARCHAR NOT NULL           -- JSON: the Host as core.model has it
);

-- What that reading wants: one row a resource.
CREATE TABLE reading_want (
    host_id INTEGER NOT NULL,           -- host
    res_id INTEGER NOT NULL,            -- resource
    digest UBIGINT NOT NULL,            -- of the spec
    aim UBIGINT NOT NULL,               -- what observed.seen_as equals when nothing differs
    spread INTEGER NOT NULL,            -- index of the manifest in reading.document
    removal INTEGER NOT NULL            -- index of its onRemove in reading.document
);

-- Specs that differ from host to host, once each.
CREATE TABLE reading_spec (
    digest UBIGINT NOT NULL,            -- of the text
    text VARCHAR NOT NULL               -- canonical JSON, sealed
);
