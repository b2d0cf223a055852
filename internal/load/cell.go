package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// cell is one configuration in which the clients are compared.
type cell struct {
	Group      string // of one table
	Server     string // serverTest or serverMppx
	Protocol   voucher.Protocol
	Major      int           // version of HTTP
	RTT        time.Duration // half of it each way
	Goroutines int           // in all processes together
	Processes  int
	File       bool          // the store is a file store
	Equal      bool          // the server refuses a voucher equal to the highest one
	Think      time.Duration // of the handler of one more worker; 0 means there is none
	Pieces     int           // of each stream; 0 for plain requests
	Pause      time.Duration
	Requests   int // to be served in each round
	Rounds     int
	Limit      time.Duration // of each request; a round may take six times as long
}

const (
	serverTest = "clienttest"
	serverMppx = "mppx"
)

// group is one table.
type group struct{ name, title string }

// groups are the tables, in their order.
var groups = []group{
	{"requests", "Many requests on one channel"},
	{"processes", "Processes that share a file store"},
	{"slow", "A handler that thinks for 500 ms beside the others"},
	{"equal", "A server that refuses a voucher equal to the highest one"},
	{"streams", "Parallel streams on one channel, 5 pieces with 10 ms before each"},
	{"long", "One stream of 1,000 pieces"},
}

// name identifies the cell, for -run.
func (c cell) name() string {
	s := fmt.Sprintf(
		"%s/%s/%s/h%d/%dms",
		c.Group,
		c.Server,
		c.Protocol,
		c.Major,
		c.RTT.Milliseconds(),
	)
	if c.Group == "processes" {
		s += fmt.Sprintf("/%dp", c.Processes)
	}
	if c.Group == "long" {
		return s + fmt.Sprintf("/pause%d", c.Pause.Milliseconds())
	}
	return s + fmt.Sprintf("/%d", c.Goroutines)
}

// route is what is requested.
func (c cell) route() string {
	if c.Pieces == 0 {
		return "/data"
	}
	return fmt.Sprintf("/stream/%d/%d", c.Pieces, c.Pause.Milliseconds())
}

// price is what a plain request or a stream of so many pieces costs, in base units.
func price(pieces int) uint64 {
	if pieces == 0 {
		return pricePlain
	}
	return uint64(pricePiece * pieces)
}

// rtt is the round trip of cells that have one.
const rtt = 20 * time.Millisecond

// plan returns all cells. Those of the mppx server are fewer, because it serves about 200 paid
// requests a second.
func plan() (all []cell) {
	all = append(all, requestCells()...)
	all = append(all, processCells()...)
	all = append(all, slowCells()...)
	all = append(all, equalCells()...)
	all = append(all, streamCells()...)
	all = append(all, longCells()...)
	for i := range all {
		all[i] = all[i].completed()
	}
	return all
}

// completed fills the fields that most cells have in common.
func (c cell) completed() cell {
	c.Processes = cmp.Or(c.Processes, 1)
	c.Protocol = cmp.Or(c.Protocol, voucher.V2)
	c.Major = cmp.Or(c.Major, 1)
	c.Limit = cmp.Or(c.Limit, 10*time.Second)
	c.Requests = cmp.Or(c.Requests, max(100, 25*c.Goroutines))
	c.Rounds = cmp.Or(c.Rounds, 5)
	if c.Server == serverMppx {
		c.Rounds = min(c.Rounds, 3)
	}
	return c
}

func requestCells() (all []cell) {
	add := func(c cell, delay time.Duration, goroutines ...int) {
		c.Group, c.RTT = "requests", delay
		for _, c.Goroutines = range goroutines {
			all = append(all, c)
		}
	}
	for _, p := range []voucher.Protocol{voucher.V2, voucher.V1} {
		for _, major := range []int{1, 2} {
			c := cell{Server: serverTest, Protocol: p, Major: major}
			add(c, 0, 2, 16, 64)
			add(c, rtt, 2, 16, 32, 64)
		}
	}
	add(cell{Server: serverMppx}, 0, 2, 16, 64)
	for _, c := range []cell{{}, {Major: 2}, {Protocol: voucher.V1}} {
		c.Server = serverMppx
		if c != (cell{Server: serverMppx}) {
			add(c, 0, 16)
		}
		add(c, rtt, 32)
	}
	return all
}

func processCells() (all []cell) {
	for _, delay := range []time.Duration{0, rtt} {
		for _, n := range []int{16, 64} {
			for _, processes := range []int{1, 8} {
				all = append(all, cell{
					Group: "processes", Server: serverTest, RTT: delay,
					Goroutines: n, Processes: processes, File: true,
				})
			}
		}
	}
	return append(
		all,
		cell{Group: "processes", Server: serverMppx, Goroutines: 16, Processes: 8, File: true},
	)
}

func slowCells() []cell {
	c := cell{
		Group:      "slow",
		Server:     serverTest,
		Goroutines: 16,
		Think:      500 * time.Millisecond,
		Requests:   1200,
	}
	delayed, theirs := c, c
	delayed.RTT, theirs.Server = rtt, serverMppx
	return []cell{c, delayed, theirs}
}

// equalCells have few requests: a client that repeats them by the dozen needs minutes for more.
func equalCells() (all []cell) {
	c := cell{Group: "equal", Server: serverTest, Equal: true}
	for _, c.RTT = range []time.Duration{0, rtt} {
		for _, c.Goroutines = range []int{2, 16, 64} {
			c.Requests = max(100, 5*c.Goroutines)
			all = append(all, c)
		}
	}
	c.Protocol, c.Goroutines, c.Requests = voucher.V1, 16, 100
	for _, c.RTT = range []time.Duration{0, rtt} {
		all = append(all, c)
	}
	return all
}

func streamCells() (all []cell) {
	c := cell{Group: "streams", Server: serverTest, Pieces: 5, Pause: 10 * time.Millisecond}
	for _, c.Major = range []int{1, 2} {
		for _, c.RTT = range []time.Duration{0, rtt} {
			for _, c.Goroutines = range []int{2, 4, 8, 12} {
				c.Requests = 4 * c.Goroutines
				all = append(all, c)
			}
		}
	}
	c.Server, c.Major, c.RTT, c.Goroutines, c.Requests, c.Limit = serverMppx, 1, 0, 2, 8, 2*time.Second
	return append(all, c)
}

func longCells() (all []cell) {
	c := cell{
		Group:      "long",
		Server:     serverTest,
		RTT:        rtt,
		Goroutines: 1,
		Pieces:     1000,
		Requests:   1,
		Rounds:     2,
	}
	c.Limit = 2 * time.Minute
	for _, c.Major = range []int{1, 2} {
		for _, c.Pause = range []time.Duration{0, 10 * time.Millisecond} {
			all = append(all, c)
		}
	}
	return all
}

// quick returns small cells of each kind, for correctness.
func quick() (all []cell) {
	seen := map[string]bool{}
	for _, c := range plan() {
		kind := fmt.Sprint(
			c.Group,
			c.Server,
			c.Protocol,
			c.Major,
			c.Processes,
			c.Goroutines > 2 || c.RTT > 0,
		)
		if seen[kind] || c.Server == serverMppx && c.Group != "requests" {
			continue
		}
		seen[kind] = true
		c.RTT, c.Pause, c.Think = min(
			c.RTT,
			4*time.Millisecond,
		), min(
			c.Pause,
			time.Millisecond,
		), min(
			c.Think,
			50*time.Millisecond,
		)
		c.Goroutines, c.Processes, c.Pieces = min(
			c.Goroutines,
			8,
		), min(
			c.Processes,
			2,
		), min(
			c.Pieces,
			20,
		)
		c.Rounds, c.Requests = 1, min(c.Requests, 2*c.Goroutines)
		all = append(all, c)
	}
	return all
}
