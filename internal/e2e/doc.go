// Package e2e has the tests of the whole service. Each test starts it as `carewire serve` does, in
// this process or in processes of its own, and uses it as its users do, over HTTP, sockets and SQL.
package e2e
