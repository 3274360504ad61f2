//go:build !linux

package embedded

import "syscall"

// serverProcAttr puts the server into its own process group. The server continues to run if this
// process dies: the next start stops it.
func serverProcAttr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as}
}
