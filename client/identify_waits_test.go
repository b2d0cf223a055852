package client_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// TestProofAndOpeningDoNotWaitForEachOther: the request that opens a channel is asked who the payer
// is, while one that proved it waits for the channel. Neither holds up the other.
func TestProofAndOpeningDoNotWaitForEachOther(t *testing.T) {
	bubble.Run(t, func(t *testing.T) {
		p := inMemory(t)
		asked := p.unpaid("/who")
		began := time.Now()
		opened, waits := make(chan struct{}), make(chan struct{})
		var once sync.Once
		l := p.lied()
		l.answer = func(_ int, s sent) (resp *http.Response, err error) {
			if s.action() == "open" {
				once.Do(func() {
					close(opened)
					<-waits
					resp = reply(http.StatusPaymentRequired, "")
					resp.Header["Www-Authenticate"] = asked.Header["Www-Authenticate"]
				})
			}
			return resp, nil
		}
		var both sync.WaitGroup
		get := func(path string) {
			both.Go(func() {
				resp, err := p.send(p.request(t.Context(), http.MethodGet, path, nil))
				if err == nil {
					resp.Body.Close()
				}
			})
		}
		get("/data")
		<-opened
		get("/who")
		time.Sleep(time.Second) // it has its proof and waits for the channel
		close(waits)
		both.Wait()
		assert.Less(t, time.Since(began), 10*time.Second)
	})
}
