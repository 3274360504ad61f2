// Package fhir reads FHIR R4's JSON: files, the resources in them, and the data types that the
// import needs.
//
// It is a tolerant reader. Fields that it does not know are ignored, and a resource with a fault
// does not affect the others in the file: only a file that cannot be parsed any further is an
// error. Sizes, nesting and decompression are bounded. Errors contain paths and no values.
package fhir
