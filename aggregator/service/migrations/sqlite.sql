-- Times are milliseconds of the queue's own clock; hashes are 64 lower-case hex digits.
-- The two files in this folder differ only in how a row gets its number; a test compares them.

-- Who hands proofs in. A row comes with the first job.
CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    -- The turn of the account's last job.
    turn BIGINT NOT NULL DEFAULT 0,
    -- Jobs that have no place in a batch yet.
    jobs_queued BIGINT NOT NULL DEFAULT 0,
    -- Proofs that did not hold, less those that did.
    junk BIGINT NOT NULL DEFAULT 0,
    -- Until then nothing is taken from it.
    paused_until_ms BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE programs (
    -- The digest of its file.
    digest TEXT PRIMARY KEY,
    -- The blob that the file is in; none for the programs that need no file.
    file TEXT,
    account TEXT NOT NULL,
    -- new, known, refused
    state TEXT NOT NULL,
    -- The digest of the key under which its proofs enter the tree.
    program_id TEXT,
    reason TEXT,
    created_ms BIGINT NOT NULL
);
CREATE INDEX programs_file ON programs (file);

CREATE TABLE batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- open, closed, folded, sealed, settled; stuck, dissolved
    state TEXT NOT NULL,
    -- Places taken so far.
    count BIGINT NOT NULL DEFAULT 0,
    -- Leaves of the closed tree: the places, and the null statement beside a single one.
    size BIGINT,
    -- The least deadline of its jobs.
    deadline_ms BIGINT,
    -- When it got its first job.
    started_ms BIGINT,
    -- Why it was closed: count, deadline, age, gas, asked.
    closed_by TEXT,
    root TEXT,
    seal TEXT,
    -- How whoever settled it names that: the hash of a transaction.
    settled_by TEXT,
    reason TEXT,
    created_ms BIGINT NOT NULL,
    closed_ms BIGINT,
    folded_ms BIGINT,
    sealed_ms BIGINT,
    finished_ms BIGINT
);
CREATE UNIQUE INDEX batches_open ON batches (state) WHERE state = 'open';
CREATE INDEX batches_state ON batches (state, id);
CREATE INDEX batches_seal ON batches (seal);

CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL REFERENCES accounts (name),
    program TEXT NOT NULL REFERENCES programs (digest),
    -- The blob that the proof is in.
    proof TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    -- queued, verified, placed; refused, quarantined, lost, cancelled
    state TEXT NOT NULL,
    priority BIGINT NOT NULL,
    price_gwei BIGINT NOT NULL,
    deadline_ms BIGINT NOT NULL,
    -- Its account's place in the fair order.
    turn BIGINT NOT NULL,
    -- What it claims, in hex, once that is verified.
    statement TEXT,
    batch BIGINT REFERENCES batches (id),
    position BIGINT,
    -- Batches that could not be folded, perhaps because of it.
    strikes BIGINT NOT NULL DEFAULT 0,
    reason TEXT,
    created_ms BIGINT NOT NULL,
    verified_ms BIGINT,
    placed_ms BIGINT,
    finished_ms BIGINT
);
CREATE UNIQUE INDEX jobs_once ON jobs (account, proof);
CREATE INDEX jobs_proof ON jobs (proof);
CREATE INDEX jobs_batch ON jobs (batch, position);
CREATE INDEX jobs_finished ON jobs (finished_ms) WHERE finished_ms IS NOT NULL;

-- The nodes of a batch's tree that are made or being made.
CREATE TABLE nodes (
    batch BIGINT NOT NULL REFERENCES batches (id),
    first BIGINT NOT NULL,
    leaves BIGINT NOT NULL,
    -- The proof under a leaf; none for a fold and for the null statement.
    proof TEXT,
    -- The blob that the node is in, once it is made.
    blob TEXT,
    PRIMARY KEY (batch, first, leaves)
);
-- Nothing is proved twice into one batch.
CREATE UNIQUE INDEX nodes_once ON nodes (batch, proof);
CREATE INDEX nodes_blob ON nodes (blob);

-- Work that is to be done. A row goes when its work is done or given up; its number is never given again, since a worker that
-- was believed dead may still come back with it.
CREATE TABLE tasks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    -- register, verify, wrap, null, fold, seal
    kind TEXT NOT NULL,
    -- verify, prove, seal
    lane TEXT NOT NULL,
    program TEXT REFERENCES programs (digest),
    job BIGINT REFERENCES jobs (id),
    batch BIGINT REFERENCES batches (id),
    first BIGINT,
    leaves BIGINT,
    priority BIGINT NOT NULL,
    turn BIGINT NOT NULL,
    ready_ms BIGINT NOT NULL,
    -- The number of times that it was claimed: what a worker shows with its result.
    fence BIGINT NOT NULL DEFAULT 0,
    worker TEXT,
    -- Set while somebody has it.
    lease_until_ms BIGINT,
    failures BIGINT NOT NULL DEFAULT 0,
    deaths BIGINT NOT NULL DEFAULT 0,
    reason TEXT
);
CREATE INDEX tasks_claim ON tasks (lane, priority DESC, turn, id) WHERE lease_until_ms IS NULL;
CREATE INDEX tasks_leases ON tasks (lease_until_ms) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX tasks_turn ON tasks (turn) WHERE job IS NOT NULL;
CREATE UNIQUE INDEX tasks_job ON tasks (job) WHERE job IS NOT NULL;
CREATE INDEX tasks_batch ON tasks (batch) WHERE batch IS NOT NULL;

-- How long each kind of task takes, as a moving average.
CREATE TABLE stages (
    kind TEXT PRIMARY KEY,
    average_ms BIGINT NOT NULL,
    samples BIGINT NOT NULL
);

-- Who can work: what admission counts on.
CREATE TABLE workers (
    name TEXT PRIMARY KEY,
    -- Tasks of the lane `prove` at a time.
    provers BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL
);

-- Blobs that no row names, until they are deleted.
CREATE TABLE garbage (
    blob TEXT PRIMARY KEY,
    -- 1 from the moment at which nothing may name it any more.
    doomed BIGINT NOT NULL DEFAULT 0,
    found_ms BIGINT NOT NULL
);

-- The highest time that was seen, for a clock that is set back while nobody watches.
CREATE TABLE clock (
    id BIGINT PRIMARY KEY,
    high_ms BIGINT NOT NULL
);
INSERT INTO clock (id, high_ms) VALUES (1, 0);

-- A proof in the universal shape needs no program file: any key may be folded.
INSERT INTO programs (digest, account, state, created_ms)
VALUES ('0000000000000000000000000000000000000000000000000000000000000000', '', 'known', 0);
