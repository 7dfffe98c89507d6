-- Views and likes, and the orders of the top quotes; only v2 counts.
ALTER TABLE quotes
  ADD COLUMN views bigint NOT NULL DEFAULT 0,
  ADD COLUMN likes bigint NOT NULL DEFAULT 0;
CREATE INDEX by_likes ON quotes (likes DESC, submitted_position);
CREATE INDEX by_views ON quotes (views DESC, submitted_position);
