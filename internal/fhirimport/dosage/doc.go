// Package dosage maps FHIR's Dosage to carewire's.
//
// Dosage.Read keeps the meaning: an element without a field of its own becomes part of the text.
package dosage
