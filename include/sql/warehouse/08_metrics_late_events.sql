-- The late events, with their money: exactly those that windows.sql leaves out of its windows.
CREATE OR REPLACE VIEW metrics.late_events AS
SELECT * FROM metrics.events WHERE late
