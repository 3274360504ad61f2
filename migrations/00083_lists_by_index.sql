-- Lists in a grown database. A policy that asks whether another row is visible was planned as a hash of all rows that are: a
-- page of 50 people read all memberships of their clinic, one of 50 conversations all conversations. OFFSET 0 keeps each look-up
-- one probe of an index, as in 00071. Memberships of a person are in two indexes, of those in force and of those revoked. Who
-- sees what is unchanged. The appointments of a clinic with a status have an index: open requests are few among those of years.
-- It is built beside writers, outside of a transaction.
-- +goose NO TRANSACTION
-- +goose Up
SET lock_timeout = '5s';

ALTER POLICY users_app_see ON users USING (
    (SELECT scope_is('system'))
    OR id = (SELECT scope_person())
    OR EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = users.id AND m.revoked_at IS NULL OFFSET 0)
    OR EXISTS (SELECT 1 FROM memberships AS m WHERE m.user_id = users.id AND m.revoked_at IS NOT NULL OFFSET 0)
);

ALTER POLICY identities_app_see ON identities USING (
    (SELECT scope_is('system', 'operator'))
    OR user_id = (SELECT scope_person())
    OR EXISTS (SELECT 1 FROM users AS u WHERE u.id = user_id OFFSET 0)
);

ALTER POLICY conversation_messages_app ON conversation_messages
    USING (EXISTS (SELECT 1 FROM conversations AS c WHERE c.id = conversation_id OFFSET 0));
ALTER POLICY conversation_participants_app ON conversation_participants
    USING (EXISTS (SELECT 1 FROM conversations AS c WHERE c.id = conversation_id OFFSET 0));

ALTER POLICY record_versions_app ON record_versions
    USING (EXISTS (SELECT 1 FROM records AS r WHERE r.id = record_id OFFSET 0));

ALTER POLICY invoice_lines_app ON invoice_lines
    USING (EXISTS (SELECT 1 FROM invoices AS i WHERE i.id = invoice_id OFFSET 0));
ALTER POLICY payments_app ON payments
    USING (EXISTS (SELECT 1 FROM invoices AS i WHERE i.id = invoice_id OFFSET 0));
ALTER POLICY refunds_app ON refunds
    USING (EXISTS (SELECT 1 FROM payments AS p WHERE p.id = payment_id OFFSET 0));
ALTER POLICY credit_notes_app ON credit_notes
    USING (EXISTS (SELECT 1 FROM invoices AS i WHERE i.id = invoice_id OFFSET 0));
ALTER POLICY credit_note_lines_app ON credit_note_lines
    USING (EXISTS (SELECT 1 FROM credit_notes AS n WHERE n.id = credit_note_id OFFSET 0));

DROP INDEX CONCURRENTLY IF EXISTS appointments_clinic_status_idx;
CREATE INDEX CONCURRENTLY appointments_clinic_status_idx ON appointments (clinic_id, status, starts_at, id);
