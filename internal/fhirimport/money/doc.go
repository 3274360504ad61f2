// Package money calculates the lines of an invoice from FHIR's amounts of money.
//
// SumUp works in minor units of one currency, and refuses amounts of several.
package money
