-- The reconciler looks every minute for money that nothing was decided about: among the payments of the last days,
-- not among all that were ever made.
create index payments_succeeded_lately on payments (updated_at) where status = 'succeeded';
