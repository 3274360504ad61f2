// Package billing keeps invoices, credit notes, what was paid on them and what was given back.
//
// Money: amounts are whole minor units of the invoice's currency (cents), in int64, never fractions; how many digits those
// are is ISO 4217's to say (currency.go). The database checks every sum again at commit, so that no program can leave an
// invoice whose numbers do not add up.
//
// An invoice is issued when it is written: there is no draft to edit, and no step from one. What is wrong with it is voided
// and written anew, or credited once money came in. Drafts are in the schema for imports only; nothing can be paid on one.
//
// Balance: what is owed on an invoice is its total less its credit notes less what was paid of it (amounts.go), and never
// negative. What was paid beyond that is excess. A patient's credit at a clinic in a currency is the sum of the excess on
// their invoices, less what the provider "credit" paid out of it and was not returned.
//
// Ordering: a write is one transaction. It locks the invoice's row first, then the patient's credit if it draws on it, then
// the numbers of credit notes, and appends to the outbox last; so the versions of one invoice rise by one along the ledger,
// and two payments at once are taken one after the other. A refund with a credit note makes two versions, one for each of
// its events.
//
// Idempotency: a provider tells of one payment or refund more than once. The same reference at the same clinic with the same
// amount gives what the first call made, and writes nothing; with anything else it is care.Conflict.
//
// Audit: each read appends record.read and each refusal access.denied, committed before the answer is given. An invoice
// that the caller may not see is answered, and audited, as one that is not there. A list is one record.read for each
// patient and clinic in it, which names the invoices shown; so is a list of one patient's invoices that holds none.
//
// What an event carries of an invoice are ids and its status; amounts stay in the tables.
package billing
