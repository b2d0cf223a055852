package client

import (
	"net/http"
	"time"
)

// Bounds of what is believed of a server's clock. Below the first its Date is too coarse.
const (
	minSkew = 2 * time.Second
	maxSkew = 15 * time.Minute
)

// skew returns how far the clock of a server is ahead of ours, by the Date of its answer (RFC 9110,
// 6.6.1). A challenge expires by the clock that dated it. A false Date hurts only the server: what it
// calls live is answered to it, and what it calls expired is not.
func skew(h http.Header) time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	ahead := time.Until(date)
	if off := ahead.Abs(); off < minSkew || off > maxSkew {
		return 0
	}
	return ahead
}
