// Package channel is the core: what a channel is, what may be signed for it, and what a server's
// word changes. It is pure: values in, values out, no clock, lock, network or disk.
package channel
