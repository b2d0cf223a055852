package main

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// seconds is a flag: a time in seconds, which may have a fraction. Zero is no limit.
type seconds time.Duration

// maxSeconds is the most that a seconds holds: 292 years.
const maxSeconds = float64(math.MaxInt64 / int64(time.Second))

// Set implements pflag.Value.
func (s *seconds) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= maxSeconds) { // NaN is neither
		return errors.New("write a number of seconds from 0 to 9223372036, such as 2.5")
	}
	*s = seconds(n * float64(time.Second))
	if n > 0 {
		*s = max(*s, 1) // zero would be no limit
	}
	return nil
}

// String implements pflag.Value.
func (s *seconds) String() string {
	return strconv.FormatFloat(time.Duration(*s).Seconds(), 'g', -1, 64)
}

// Type implements pflag.Value; it is what the help shows.
func (*seconds) Type() string { return "SECONDS" }
