// Package rule decides what may be signed for a channel, and what a server's report or the chain changes. It
// is pure: values in, values out, no clock, lock, network or disk. authorize.go is the only file that raises
// the amount that may be signed.
package rule
