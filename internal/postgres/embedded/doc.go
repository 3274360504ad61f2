// Package embedded runs the PostgreSQL that the service uses when DATABASE_URL is not set.
//
// Start runs one PostgreSQL below a data directory and holds a lock on it until Stop. One goroutine per server
// starts the process and waits for it; Stop ends both. The server is in a process group of its own, so that a Ctrl-C on
// the terminal reaches the service only, which then stops its database. On Linux the server also shuts down when the
// service dies without stopping it; whatever a killed service leaves behind is cleaned up by the next start.
package embedded
