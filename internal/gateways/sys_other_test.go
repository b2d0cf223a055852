//go:build unix && !linux

package gateways

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
