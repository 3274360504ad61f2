// Package embedded runs the PostgreSQL that the service uses if DATABASE_URL is not set.
//
// Start runs one PostgreSQL below a data directory and locks the directory until Stop. One
// goroutine per server starts the process and waits for it; Stop ends both. The server has its own
// process group, so that a Ctrl-C on the terminal reaches only the service, which then stops its
// database. On Linux the server also shuts down when the service dies without stopping it. The next
// start cleans up after a killed service.
package embedded
