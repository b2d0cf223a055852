package escrow

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Client is a connection to one Tempo node, or to several nodes of one chain, over JSON-RPC. It is safe
// for concurrent use. Create it with [Dial] and end it with [Client.Close].
type Client struct {
	nodes []*node
	// preferred is the index of the node that answered last, chain the chain's id once it is known.
	preferred atomic.Int64
	chain     atomic.Uint64
	// chainAt is when (Unix nanoseconds) a node was asked for it.
	chainAt atomic.Int64
	base    http.RoundTripper
	waits   waits
	now     func() time.Time

	mu   sync.Mutex // guards the next five
	kept map[Ref]*reading
	// searched are the blocks that were searched for closes of channels. See closes.go.
	searched map[Ref]closesSpan
	floor    floor  // the newest block that any node showed
	price    uint64 // of gas, when it was read last; see fee.go
	priceAt  time.Time
	owned    *http.Transport // nil where the caller brought its own
	more     []string
}

// Option changes how [Dial] connects.
type Option func(*Client)

// WithTransport sends the HTTP requests through rt, for example a proxy or client certificates.
// Retries, size limits and timeouts still apply. [Client.Close] does not close the connections of
// rt. Nil means a transport of the client's own.
func WithTransport(rt http.RoundTripper) Option { return func(c *Client) { c.base = rt } }

// WithNodes adds nodes of the same chain. If a node cannot be reached, limits the rate or gives an
// invalid answer, the next one is used. Channels are read at the newest block that any of them has, so
// that one that lags does not hide a channel. A node on another chain than the first is never used.
func WithNodes(rawurls ...string) Option {
	return func(c *Client) { c.more = append(c.more, rawurls...) }
}

// Dial returns a client of the node at rawurl, which is http or https. Credentials of the node go
// into its userinfo, path or query, and none of these appear in errors. Dial sends nothing: the
// first call finds out whether the node can be reached and which chain it is on. The error is
// [ErrParams].
func Dial(ctx context.Context, rawurl string, opts ...Option) (*Client, error) {
	c := &Client{waits: defaultWaits, now: time.Now, kept: map[Ref]*reading{}}
	for _, opt := range opts {
		opt(c)
	}
	if c.base == nil {
		c.owned = http.DefaultTransport.(*http.Transport).Clone()
		c.owned.MaxIdleConnsPerHost = 8
		c.base = c.owned
	}
	for _, one := range append([]string{rawurl}, c.more...) {
		u, err := url.Parse(one)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fmt.Errorf("%w: the RPC URL must be http:// or https:// with a host", ErrParams)
		}
		c.nodes = append(c.nodes, &node{rpc: endpoint{url: one, http: newHTTPClient(c.base, c.waits)}})
	}
	return c, nil
}

// Close closes idle connections. Calls that are under way finish.
func (c *Client) Close() {
	if c.owned != nil {
		c.owned.CloseIdleConnections()
	}
}

// ChainID returns the id of the chain that the nodes are on. It is read again once a minute, since one
// answer may have been wrong. If no node answers within two seconds, the earlier result is returned. The
// result changes only if a node that was on the old chain reports another one and no node is on the old
// one, so one node of another chain among several changes nothing. A node that reports zero is not used.
// The errors are [ErrChainID] and [ErrRPC].
func (c *Client) ChainID(ctx context.Context) (uint64, error) {
	known := c.chain.Load()
	now := c.now().UnixNano()
	if known != 0 && now-c.chainAt.Load() < int64(time.Minute) {
		return known, nil
	}
	c.chainAt.Store(now) // others need not ask meanwhile
	if known != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
	}
	var changed uint64 // what a node says that said known before
	err := c.anyNode(ctx, func(n *node) error {
		before := n.chain.Load()
		id, err := n.chainID(ctx)
		switch {
		case err != nil:
			return err
		case known == 0 || id == known:
			c.chain.Store(id)
			return nil
		case before == known:
			changed = id
		}
		return fmt.Errorf("%w: it is on %d, not on %d", ErrChainID, id, known)
	})
	if err != nil && changed != 0 {
		c.chain.Store(changed)
	}
	if id := c.chain.Load(); id != 0 {
		return id, nil
	}
	return 0, err
}

// TokenBalance returns the owner's balance of a TIP-20 token in base units, at the newest block. The
// error is [ErrRPC].
func (c *Client) TokenBalance(ctx context.Context, token, owner common.Address) (voucher.Amount, error) {
	var answer hexutil.Bytes
	if err := c.ask(ctx, 0, balanceOf(&answer, token, owner)); err != nil {
		return voucher.Amount{}, err
	}
	return decodeBalance(answer, token)
}

func balanceOf(answer *hexutil.Bytes, token, owner common.Address) rpcCall {
	return ethCall(answer, token, calldata(selBalanceOf, word(owner)), "latest")
}

func decodeBalance(answer []byte, token common.Address) (voucher.Amount, error) {
	r := &words{rest: answer}
	balance := r.amount(voucher.MaxAmount)
	if !r.done() {
		return voucher.Amount{}, fmt.Errorf("%w: %s answers no balance: is it a token on this chain?", ErrRPC, token)
	}
	return balance, nil
}

// ethCall is a call at a block: "latest", or an object that names its hash.
func ethCall(answer *hexutil.Bytes, to common.Address, data []byte, block any) rpcCall {
	tx := map[string]any{"to": to, "data": hexutil.Bytes(data)}
	return rpcCall{Method: "eth_call", Args: []any{tx, block}, Result: answer}
}
