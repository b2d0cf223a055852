package bill

import (
	"slices"
	"time"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// mostBars is how many times the chart of spending shows.
const mostBars = 48

// step is how long one bar of the chart of spending is.
type step struct {
	name  string
	begin func(time.Time) time.Time // of the step that a time is in
	next  func(time.Time) time.Time // the beginning of the step after the one that begins
	label string                    // how a beginning is written
}

// noon is added before a time is cut to its day, where the clock may have skipped midnight.
const noon = 12 * time.Hour

func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// steps are tried in this order, until the bars are few enough.
var steps = []step{
	{
		"hour",
		func(t time.Time) time.Time {
			// The hour of the clock, also where the zone is not whole hours from UTC.
			return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
		},
		func(t time.Time) time.Time { return t.Add(time.Hour) },
		"2006-01-02 15:04",
	},
	{"day", day, func(t time.Time) time.Time { return day(t.AddDate(0, 0, 1).Add(noon)) }, time.DateOnly},
	{
		"week",
		func(t time.Time) time.Time { return day(t).AddDate(0, 0, -int(t.Weekday()+6)%7) },
		func(t time.Time) time.Time { return day(t.AddDate(0, 0, 7).Add(noon)) },
		time.DateOnly,
	},
	{
		"month",
		func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location()) },
		func(t time.Time) time.Time { return t.AddDate(0, 1, 0) },
		"2006-01",
	},
	{
		"year",
		func(t time.Time) time.Time { return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, t.Location()) },
		func(t time.Time) time.Time { return t.AddDate(1, 0, 0) },
		"2006",
	},
}

// period is one bar.
type period struct {
	label string
	sum
}

// periods returns the sums of equally long times, the oldest first and those without spending too, and what one of
// them is called. It shows mostBars at most, as fine as that allows; what is older than the longest steps show is in
// before. A clock that was wrong makes steps longer, and hides nothing.
func periods(quarters map[int64]sum, loc *time.Location) (bars []period, name string, before sum) {
	if len(quarters) == 0 {
		return nil, "", sum{}
	}
	var times []int64
	for at := range quarters {
		times = append(times, at)
	}
	slices.Sort(times)
	first, last := time.Unix(times[0], 0).In(loc), time.Unix(times[len(times)-1], 0).In(loc)
	var by step
	for _, by = range steps {
		if count(by, first, last) <= mostBars {
			break
		}
	}
	begin := by.begin(first)
	if count(by, first, last) > mostBars {
		begin = by.begin(last).AddDate(1-mostBars, 0, 0)
	}
	at := 0
	for ; at < len(times) && times[at] < begin.Unix(); at++ {
		before.plus(quarters[times[at]])
	}
	for ; !begin.After(last); begin = by.next(begin) {
		bar := period{label: begin.Format(by.label)}
		for end := by.next(begin).Unix(); at < len(times) && times[at] < end; at++ {
			bar.plus(quarters[times[at]])
		}
		bars = append(bars, bar)
	}
	return bars, by.name, before
}

// count returns how many steps there are from first to last, at most mostBars+1.
func count(by step, first, last time.Time) (n int) {
	for t := by.begin(first); !t.After(last) && n <= mostBars; t = by.next(t) {
		n++
	}
	return n
}

// highest returns the most that was spent in one bar, fees included.
func highest(bars []period) (most voucher.Amount) {
	for _, b := range bars {
		most = most.Max(b.all())
	}
	return most
}
