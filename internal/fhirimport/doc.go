// Package fhirimport takes FHIR R4 resources of other systems into the domain: bundles, single resources and NDJSON become
// clinics, people, roles, appointments, records and invoices. What becomes what is one table (Mappings, docs/fhir.md).
//
// It promises that nothing is dropped silently (each resource is counted, and one that is skipped or refused is named with
// its reason), that taking in the same again changes nothing (the table import_identifiers remembers what each resource was
// mapped to), and that a run which was cut short is completed by the next. Each resource is written with its events in one
// transaction, many resources to a transaction; where one makes it fail, halves are tried until it alone is refused. All
// events are marked as imported, so that no rule fires on them unless it says so.
//
// Ordering: files are read once for each stage, as references may point ahead: people and clinics first, then roles and
// encounters, then what was done and written, and at last the observations that no report took. Memory does not grow with
// the files: what a resource needs of others is looked up in the database, a batch at a time.
//
// Errors and lists name a resource by its type and id, and what is wrong by its path. They hold no values.
package fhirimport
