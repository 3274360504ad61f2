// Package peer identifies the client of a request: its address, also behind trusted proxies, and
// the class of the program. It decides how much of that the audit trail stores.
package peer
