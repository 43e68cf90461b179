-- A school's days are looked for by its networks, not among all days of the year. Few days are
-- written, so each goes into the index at once.
CREATE INDEX network_day_by_network ON network_day USING gin (network_ids) WITH (fastupdate = off);
