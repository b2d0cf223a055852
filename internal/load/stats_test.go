package main

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPercentileByNearestRank(t *testing.T) {
	values := make([]float64, 200)
	for i := range values {
		values[i] = float64(200 - i)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 100, 0.99: 198, 1: 200} {
		assert.Equal(t, want, percentile(values, q), "%v", q)
	}
	assert.Equal(t, 7.0, percentile([]float64{7}, 0.99))
	assert.True(t, math.IsNaN(percentile(nil, 0.5)))
	assert.Equal(t, 200.0, values[0], "the caller's order is kept")
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 2.0, median([]float64{3, 1, 2}))
	assert.Equal(t, 2.5, median([]float64{4, 3, 1, 2}))
	assert.True(t, math.IsNaN(median(nil)))
}

// TestFiguresAreMediansOfRounds: ratios are taken within a round, so that a slow machine in one
// round changes nothing.
func TestFiguresAreMediansOfRounds(t *testing.T) {
	took := []float64{1, 2, 3, 4}
	fast := measure(tally{Served: 4, Took: took, Elapsed: 4}, 4, 2000)
	slow := measure(tally{Served: 4, Took: took, Elapsed: 40, Refused: 1, Failed: 2}, 7, 200)
	half := measure(tally{Served: 3, Slow: 1, Took: took, Elapsed: 6}, 4, 1000)
	f := summarize("x", 12, []sample{fast, slow, half})
	assert.Equal(t, figures{
		Client: "x", Rate: 500, Ratio: 0.5, Sends: 1, P50: 2, P99: 4, Spread: 2,
		Refused: 1, Failed: 2, Requests: 12,
	}, f)
	assert.Equal(t, 1.75, slow.sends)
}

func TestNumberKeepsThreeDigits(t *testing.T) {
	for x, want := range map[float64]string{
		1234.5: "1234", 93.61: "94", 9.361: "9.36", 0.9361: "0.936", 0.001234: "0.0012", 0: "0",
	} {
		assert.Equal(t, want, number(x, 0))
	}
	assert.Equal(t, "–", number(math.NaN(), 1))
}

func TestCellNamesAndLabelsDiffer(t *testing.T) {
	var names, labels []string
	for _, c := range plan() {
		names, labels = append(names, c.name()), append(labels, c.Group+c.label())
		assert.True(
			t,
			slices.ContainsFunc(groups, func(g group) bool { return g.name == c.Group }),
			"%s has no table",
			c.name(),
		)
		assert.Positive(t, c.Requests*c.Rounds*c.Goroutines*c.Processes)
		assert.GreaterOrEqual(t, c.Requests, c.Goroutines, c.name())
	}
	slices.Sort(names)
	slices.Sort(labels)
	assert.Len(t, slices.Compact(slices.Clone(names)), len(names))
	assert.Len(t, slices.Compact(slices.Clone(labels)), len(labels))
}

// TestQuickHasEachKind: groups, servers, protocols and versions of HTTP.
func TestQuickHasEachKind(t *testing.T) {
	kinds := func(cells []cell) (all []string) {
		for _, c := range cells {
			major := string(rune('0' + c.Major))
			for _, one := range []string{c.Group, c.Server, c.Protocol.String(), major} {
				if !slices.Contains(all, one) {
					all = append(all, one)
				}
			}
		}
		return all
	}
	assert.ElementsMatch(t, kinds(plan()), kinds(quick()))
	for _, c := range quick() {
		assert.LessOrEqual(t, c.Rounds*c.Requests, 200, c.name())
	}
}

func TestTableOfNothingIsEmpty(t *testing.T) {
	var out bytes.Buffer
	table(&out, "long", "Long", []report{{cell: cell{Group: "requests"}}})
	require.Empty(t, out.String())
}
