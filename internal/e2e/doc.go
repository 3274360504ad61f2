// Package e2e holds the tests of the whole service: each starts it as `carewire serve` does, in this process or as
// processes of their own, and uses it as its users do, over HTTP, sockets and SQL.
package e2e
