// Package billing manages invoices, credit notes, payments and refunds.
//
// Money: amounts are whole minor units of the invoice's currency (cents) in int64, never fractions.
// The number of digits is ISO 4217's (currency.go). The database checks every sum again at commit,
// so that no program can store an invoice with inconsistent amounts.
//
// An invoice is issued when it is created. There are no drafts to edit. A wrong invoice is voided
// and replaced, or credited if a payment was received. Drafts exist for imports only; they cannot
// be paid.
//
// Balance: the balance of an invoice is its total less its credit notes less payments (amounts.go),
// and never negative. Payments beyond that are excess. A patient's credit at a clinic in a currency
// is the sum of the excess on their invoices, less the payments of the provider "credit" that were
// not refunded.
//
// Ordering: a write is one transaction. It locks the invoice's row first, then the patient's credit
// if it uses it, then the numbers of credit notes, and appends to the outbox last. So the versions
// of an invoice rise by one along the ledger, and concurrent payments are serialized. A refund with
// a credit note makes two versions, one for each of its events.
//
// Idempotency: providers may report a payment or refund more than once. The same reference at the
// same clinic with the same amount returns the first result and writes nothing. With anything else
// it is care.Conflict.
//
// Audit: each read appends record.read and each denial access.denied, committed before the response
// is sent. An invoice that the caller may not see is reported, and audited, as not found. A list
// appends one record.read per patient and clinic, with the ids of the invoices; an empty list of
// one patient's invoices appends one too.
//
// Events contain ids and the invoice's status. Amounts stay in the tables.
package billing
