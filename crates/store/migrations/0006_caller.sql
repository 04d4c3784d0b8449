-- What is known of a caller: the number that they withhold from everybody but the billing view, and
-- who vouched for their number.
ALTER TABLE cdr ADD COLUMN withheld TEXT;
ALTER TABLE cdr ADD COLUMN vouched TEXT;
