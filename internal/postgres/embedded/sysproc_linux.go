package embedded

import "syscall"

// serverProcAttr puts the server into its own process group and has the kernel signal it to shut
// down if this process dies without stopping it.
func serverProcAttr(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as, Pdeathsig: syscall.SIGINT}
}
