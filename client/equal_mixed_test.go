package client_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/internal/bubble"
)

// uneven delays each exchange by another time.
type uneven struct {
	base http.RoundTripper
	n    *atomic.Int64
}

func (u uneven) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(time.Duration(5+u.n.Add(1)%3) * time.Millisecond)
	return u.base.RoundTrip(req)
}

// TestStreamsBesideRequests: streams and requests share a channel, and no refusal reaches a caller. A payee that
// refuses equal vouchers is learned from one request, which has raised nothing yet. Of some
// 20,000 requests one is refused there all the same: a stream took the credit that the request had raised.
func TestStreamsBesideRequests(t *testing.T) {
	for rule, most := range map[clienttest.EqualRule]int64{clienttest.EqualAccepted: 0, clienttest.EqualRefused: 1} {
		for _, rail := range rails {
			bubble.Run(t, func(t *testing.T) {
				p := inMemoryWith(t, clienttest.Config{EqualVouchers: rule}, func(c *client.Config) {
					long(c)
					c.Limits.Deposit = u(1_000_000)
				})
				p.get(rail + "/data?deposit=1000000")
				p.base = uneven{p.base, new(atomic.Int64)}
				var refused atomic.Int64
				var group sync.WaitGroup
				for i := range 8 {
					group.Go(func() {
						for range 5 {
							path := rail + "/data?deposit=1000000"
							if i < 3 {
								path = rail + "/stream/20/10?deposit=1000000"
							}
							resp, err := p.do(http.MethodGet, path, nil)
							switch {
							case !assert.NoError(t, err):
								continue
							case resp.StatusCode != http.StatusOK:
								refused.Add(1)
							case i < 3:
								_, _, err = finish(t, resp, nil)
								assert.NoError(t, err)
							}
							assert.NoError(t, resp.Body.Close())
						}
					})
				}
				group.Wait()
				assert.LessOrEqual(t, refused.Load(), most, "equal vouchers %v %s", rule, rail)
			})
		}
	}
}
