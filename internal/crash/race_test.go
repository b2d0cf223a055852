//go:build race

package crash

func init() { raceEnabled = true }
