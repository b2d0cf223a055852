package escrow

import (
	"context"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Client is a connection to one Tempo node over JSON-RPC. It is safe for concurrent use. Make it with
// [Dial] and end it with [Client.Close].
type Client struct{}

// Option changes how [Dial] connects.
type Option func(*Client)

// WithTransport sends the HTTP requests through rt: a proxy, client certificates, a test's fault
// injector. Retries, size limits and timeouts stay in front of it. Nil means a transport of the
// client's own.
func WithTransport(rt http.RoundTripper) Option { return func(*Client) { _ = rt } }

// Dial makes a client of the node at rawurl, which is http or https; credentials of the node go into its
// userinfo, path or query, and none of these appear in errors. Nothing is sent yet: the first call finds
// out whether the node is there and on which chain it is.
func Dial(ctx context.Context, rawurl string, opts ...Option) (*Client, error) { return nil, ErrRPC }

// Close ends idle connections. Calls that are under way finish.
func (c *Client) Close() {}

// ChainID is the chain that the node is on. It is asked once.
func (c *Client) ChainID(ctx context.Context) (uint64, error) { return 0, ErrRPC }

// TokenBalance is the owner's balance of a TIP-20 token in base units.
func (c *Client) TokenBalance(ctx context.Context, token, owner common.Address) (voucher.Amount, error) {
	return voucher.Amount{}, ErrRPC
}
