-- Plans members pay for by hand: what runs for whom, what was paid and who found so, the pictures that prove it, and what was told of an end.
--
-- A payment is a request with a reference that a bank's statement can be searched for. What may become of one is decided by the statement that
-- changes it, which names the states it starts from: of two who decide at once one finds nothing to decide. Money is in the currency's smallest
-- unit, and is what the site said it was when the payment was begun.

-- What runs for a member: one plan or none. It counts until its grace is over, whether or not anybody has looked.
CREATE TABLE subscriptions (
    user_id      uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    plan         text NOT NULL CHECK (plan IN ('PLUS', 'PRO')),
    since        timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL,
    grace_until  timestamptz NOT NULL,
    -- What it cost for so many days, as it was bought.
    days         integer NOT NULL CHECK (days > 0),
    amount_minor bigint NOT NULL CHECK (amount_minor >= 0),
    currency     text NOT NULL,
    -- That it is over was told, and written down.
    ended_at     timestamptz,
    CHECK (since < ends_at AND ends_at <= grace_until)
);
CREATE INDEX subscriptions_ending ON subscriptions (ends_at) WHERE ended_at IS NULL;

CREATE TABLE payments (
    payment_id          uuid PRIMARY KEY,
    user_id             uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    reference           text NOT NULL UNIQUE,
    plan                text NOT NULL CHECK (plan IN ('PLUS', 'PRO')),
    days                integer NOT NULL CHECK (days > 0),
    amount_minor        bigint NOT NULL CHECK (amount_minor >= 0),
    currency            text NOT NULL,
    method              text NOT NULL CHECK (method IN ('bank_transfer', 'qr_picture')),
    status              text NOT NULL DEFAULT 'pending'
                        CHECK (status IN ('pending', 'submitted', 'asked_again', 'approved', 'rejected', 'expired', 'cancelled')),
    -- What its payer says.
    stated_payer        text NOT NULL DEFAULT '',
    stated_amount_minor bigint,
    stated_reference    text NOT NULL DEFAULT '',
    -- The picture that is looked at, and the digest of what was sent: a picture that proves two payments proves none.
    proof_id            uuid,
    proof_sha256        bytea CHECK (octet_length(proof_sha256) = 32),
    created_at          timestamptz NOT NULL DEFAULT now(),
    expires_at          timestamptz NOT NULL,
    submitted_at        timestamptz,
    changed_at          timestamptz NOT NULL DEFAULT now(),
    decided_by          uuid REFERENCES users ON DELETE SET NULL,
    decided_at          timestamptz,
    -- Why it was rejected, or what else is asked for.
    reason              text NOT NULL DEFAULT '',
    -- What it bought.
    term_since          timestamptz,
    term_ends_at        timestamptz,
    CHECK ((status = 'approved') = (term_ends_at IS NOT NULL))
);
-- A member pays one thing after another.
CREATE UNIQUE INDEX payments_one_open ON payments (user_id) WHERE status IN ('pending', 'submitted', 'asked_again');
CREATE INDEX payments_by_user ON payments (user_id, payment_id DESC);
CREATE INDEX payments_waiting ON payments (payment_id) WHERE status IN ('pending', 'submitted', 'asked_again');
CREATE INDEX payments_expiring ON payments (expires_at) WHERE status IN ('pending', 'asked_again');
CREATE INDEX payments_by_proof ON payments (proof_sha256) WHERE proof_sha256 IS NOT NULL;
CREATE INDEX payments_by_stated ON payments (lower(stated_reference)) WHERE stated_reference <> '';
CREATE INDEX payments_by_decider ON payments (decided_by) WHERE decided_by IS NOT NULL;

-- Pictures that prove payments. Nothing lies in the bucket without a row, and a picture is shown once it is ready.
CREATE TABLE payment_proofs (
    proof_id   uuid PRIMARY KEY,
    payment_id uuid NOT NULL REFERENCES payments ON DELETE CASCADE,
    -- Part of the objects' keys that nobody is told.
    lock       text NOT NULL,
    -- 'storing' on its way into the bucket; 'checking' until a scanner has said that it is clean; 'gone' until its objects are.
    state      text NOT NULL CHECK (state IN ('storing', 'checking', 'ready', 'gone')),
    mime       text NOT NULL,
    -- What was sent is there beside our own encoding, for the scanner.
    has_upload boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    tries      integer NOT NULL DEFAULT 0,
    -- When somebody has to look at it next; null: nothing is owed.
    due_at     timestamptz
);
CREATE INDEX payment_proofs_of_payment ON payment_proofs (payment_id);
CREATE INDEX payment_proofs_due ON payment_proofs (due_at) WHERE due_at IS NOT NULL;

-- What was told of an end: each thing once for each end.
CREATE TABLE plan_notices (
    user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    ends_at     timestamptz NOT NULL,
    -- 0: it is over. Otherwise so many days before.
    days_before integer NOT NULL CHECK (days_before >= 0),
    notice_id   uuid NOT NULL,
    told_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, ends_at, days_before)
);

-- Which plan counts for a member now.
CREATE FUNCTION plan_of(member uuid) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN coalesce((SELECT plan FROM subscriptions WHERE user_id = member AND grace_until > now()), 'FREE');

-- What such a member gets of a thing of which there is one amount for each plan: FREE's, PLUS's, PRO's.
CREATE FUNCTION plan_share(member uuid, amounts bigint[]) RETURNS bigint
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN amounts[CASE plan_of(member) WHEN 'PLUS' THEN 2 WHEN 'PRO' THEN 3 ELSE 1 END];
