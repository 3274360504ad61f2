// Package limit bounds requests by rate, for each key, and by concurrency.
package limit
