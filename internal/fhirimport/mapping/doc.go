// Package mapping maps FHIR resources to carewire's records.
//
// Table has a row per type. A resource becomes a Draft: the body of a record, a person, an
// appointment and so on, with the references that have to be resolved. The package does no I/O.
// Package fhirimport resolves the references and stores the drafts.
package mapping
