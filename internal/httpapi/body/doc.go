// Package body reads the body of a request within bounds of bytes and time, and checks that JSON is
// unambiguous and can be stored.
package body
