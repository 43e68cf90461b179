-- The e-mail address that a record said last: one that is still the person's may be changed by it.
ALTER TABLE reported_post ADD COLUMN told_email text;
