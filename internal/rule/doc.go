// Package rule decides what may be signed for a channel, and what a server's report or the chain
// changes. It is pure: no clock, lock, network or disk. Only authorize.go raises the amount that
// may be signed.
package rule
