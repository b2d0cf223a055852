// Package arch holds no code. Its tests read the source of the module and keep the house in order: which
// package may import which, one place that signs, one file that raises what may be signed, a core
// without clock, lock, disk or network, and a build without test kits for those who import the client.
package arch
