// Package fhirimport imports FHIR R4 resources of other systems: bundles, single resources and
// NDJSON become clinics, people, roles, appointments, records, invoices and messages. Package
// mapping holds the table of types (docs/fhir.md), package meaning what is refused or skipped, package
// fhir the reader.
//
// Every resource is counted, and one that is skipped or refused is listed with its reason.
// Importing the same file again changes nothing: the table import_identifiers records the row that
// each resource became. A run that was interrupted is completed by the next one. Each resource is
// written with its events in one transaction, many resources to a transaction. If a transaction
// fails, its two halves are tried, down to the single resource that is refused. All events are
// marked as imported, so that a rule ignores them unless it asks for them.
//
// Ordering: files are read once per stage, since references may point ahead: people and clinics
// first, then roles and encounters, then records, and last the observations that no report
// includes. References are looked up in the database, a batch at a time. Memory use grows by about
// 80 bytes per resource, to find the newest of several versions and to count each resource once.
//
// Errors and lists identify a resource by its type and id, and a fault by its path. They contain no
// values.
package fhirimport
