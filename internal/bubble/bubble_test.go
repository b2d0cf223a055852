package bubble_test

import (
	"testing"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestTimersOfManyGoroutines ends the process within a second when it is run with the race detector
// by synctest.Test itself on two processors.
func TestTimersOfManyGoroutines(t *testing.T) {
	for range 20 {
		bubble.Run(t, func(*testing.T) {
			done := make(chan bool)
			for range 8 {
				go func() {
					for range 20 {
						var due [32]*time.Timer
						for i := range due {
							due[i] = time.NewTimer(time.Nanosecond)
						}
						time.Sleep(2 * time.Nanosecond)
						for _, timer := range due {
							<-timer.C
						}
						fired := make(chan bool, 1)
						time.AfterFunc(time.Nanosecond, func() { fired <- true })
						<-fired
					}
					done <- true
				}()
			}
			for range 8 {
				<-done
			}
		})
	}
}
