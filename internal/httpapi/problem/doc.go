// Package problem is the answer of a request that was refused or failed: an RFC 9457 problem with a
// stable code, as JSON or, for a browser, as a page. The statuses of the domain's codes are one
// table. A problem never repeats a value that a client sent.
package problem
