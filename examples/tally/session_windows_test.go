package main

import "os/exec"

// session does nothing.
func session(*exec.Cmd) {}
