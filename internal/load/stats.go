package main

import (
	"math"
	"slices"
)

// percentile returns the smallest value that at least q of all values do not exceed, by nearest
// rank; NaN if there is none.
func percentile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median returns the middle value, or the mean of the two in the middle; NaN if there is none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// sample is what one round of one client measured.
type sample struct {
	rate, ratio, sends, p50, p99, spread float64
	refused, failed                      int
}

// measure turns the tally of a round into figures. unpaid is the rate of the unpaid client in the
// same round.
func measure(t tally, requests int, unpaid float64) sample {
	s := sample{refused: t.Refused, failed: t.Failed}
	s.rate = rate(t)
	s.ratio = s.rate / unpaid
	s.sends = float64(requests) / float64(t.Served+t.Slow)
	s.p50, s.p99 = percentile(t.Took, 0.5), percentile(t.Took, 0.99)
	s.spread = s.p99 / s.p50
	return s
}

// rate is served requests a second.
func rate(t tally) float64 { return float64(t.Served) / t.Elapsed * 1000 }

// figures are the medians of the rounds. Refused and Failed are sums, of Requests in all.
type figures struct {
	Client                               string
	Rate, Ratio, Sends, P50, P99, Spread float64
	Refused, Failed, Requests            int
	Skipped                              string // why there are no figures
}

// summarize takes the medians.
func summarize(client string, requests int, rounds []sample) figures {
	of := func(field func(sample) float64) float64 {
		values := make([]float64, len(rounds))
		for i, r := range rounds {
			values[i] = field(r)
		}
		return median(values)
	}
	f := figures{Client: client, Requests: requests}
	f.Rate = of(func(s sample) float64 { return s.rate })
	f.Ratio = of(func(s sample) float64 { return s.ratio })
	f.Sends = of(func(s sample) float64 { return s.sends })
	f.P50 = of(func(s sample) float64 { return s.p50 })
	f.P99 = of(func(s sample) float64 { return s.p99 })
	f.Spread = of(func(s sample) float64 { return s.spread })
	for _, r := range rounds {
		f.Refused, f.Failed = f.Refused+r.refused, f.Failed+r.failed
	}
	return f
}
