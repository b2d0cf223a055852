package gateways

import "syscall"

// attributes lets a gateway end, its workers first, when the test ends without a cleanup.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
