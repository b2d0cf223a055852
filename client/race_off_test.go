//go:build !race

package client_test

// raceDetector reports whether the race detector is on, which makes everything some ten times slower.
const raceDetector = false
