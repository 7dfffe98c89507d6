-- The quotes and how far the model is. `slot` numbers the quotes 1, 2, 3, … without gaps (a removed quote's slot is taken
-- over by the last), so that a random quote is one look-up and every quote is equally likely.
CREATE TABLE quotes (
  slot bigint PRIMARY KEY,
  quote_id text NOT NULL UNIQUE,
  text text NOT NULL,
  author text NOT NULL,
  submitted_at_ms bigint NOT NULL,
  submitted_position bigint NOT NULL
);
CREATE INDEX by_submission ON quotes (submitted_position);

-- One row: what the rows of `quotes` contain (`position`), the last known end of the log (`head`), and when the first had
-- reached the second for the last time.
CREATE TABLE state (
  is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
  position bigint NOT NULL DEFAULT 0,
  head bigint NOT NULL DEFAULT 0,
  caught_up_at_ms bigint NOT NULL DEFAULT 0
);
INSERT INTO state DEFAULT VALUES;
