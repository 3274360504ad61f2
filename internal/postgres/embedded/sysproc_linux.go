package embedded

import "syscall"

// serverProcAttr puts the server in a process group of its own and has the kernel ask it to shut down when this process
// dies without doing so.
func serverProcAttr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as, Pdeathsig: syscall.SIGINT}
}
