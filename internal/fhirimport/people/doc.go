// Package people reads FHIR's data types for people and organizations: names, contact points,
// identifiers and roles.
//
// It chooses what is valid now. It neither resolves references nor stores anything.
package people
