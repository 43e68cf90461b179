-- Each time that answers made anew from the log have taken the place of the old ones.
CREATE TABLE rebuilt (
    rebuilt_id  bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rebuilt_at  timestamptz NOT NULL DEFAULT now(),
    rebuilt_by  text        NOT NULL,
    differences bigint      NOT NULL,
    because     text        -- why they could, where there were differences
);
