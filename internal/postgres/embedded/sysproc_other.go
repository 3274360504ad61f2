//go:build !linux

package embedded

import "syscall"

// serverProcAttr puts the server in a process group of its own. Nothing here tells it when this process dies: the next
// start stops it.
func serverProcAttr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as}
}
