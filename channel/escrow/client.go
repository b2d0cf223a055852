package escrow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// Client is a connection to one Tempo node over JSON-RPC. It is safe for concurrent use. Create it
// with [Dial] and end it with [Client.Close].
type Client struct {
	rpc   *rpc.Client
	base  http.RoundTripper
	waits waits
	now   func() time.Time
	// chain is the node's chain id once it is known, else zero.
	chain atomic.Uint64

	mu    sync.Mutex // guards kept
	kept  map[Ref]*reading
	owned *http.Transport // nil where the caller brought its own
}

// Option changes how [Dial] connects.
type Option func(*Client)

// WithTransport sends the HTTP requests through rt, for example a proxy or client certificates.
// Retries, size limits and timeouts still apply. [Client.Close] does not close the connections of
// rt. Nil means a transport of the client's own.
func WithTransport(rt http.RoundTripper) Option { return func(c *Client) { c.base = rt } }

// Dial returns a client of the node at rawurl, which is http or https. Credentials of the node go
// into its userinfo, path or query, and none of these appear in errors. Dial sends nothing: the
// first call finds out whether the node can be reached and which chain it is on. The error is
// [ErrParams].
func Dial(ctx context.Context, rawurl string, opts ...Option) (*Client, error) {
	u, err := url.Parse(rawurl)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("%w: the RPC URL must be http:// or https:// with a host", ErrParams)
	}
	c := &Client{waits: defaultWaits, now: time.Now, kept: map[Ref]*reading{}}
	for _, opt := range opts {
		opt(c)
	}
	if c.base == nil {
		c.owned = http.DefaultTransport.(*http.Transport).Clone()
		c.owned.MaxIdleConnsPerHost = 8
		c.base = c.owned
	}
	if c.rpc, err = rpc.DialOptions(ctx, rawurl, rpc.WithHTTPClient(newHTTPClient(c.base, c.waits))); err != nil {
		return nil, fmt.Errorf("%w: the RPC URL cannot be used", ErrParams) // the error would show it
	}
	return c, nil
}

// Close closes idle connections. Calls that are under way finish.
func (c *Client) Close() {
	c.rpc.Close()
	if c.owned != nil {
		c.owned.CloseIdleConnections()
	}
}

// ChainID returns the id of the chain that the node is on. It is read once. The error is [ErrRPC].
func (c *Client) ChainID(ctx context.Context) (uint64, error) {
	err := c.ask(ctx, 0)
	return c.chain.Load(), err
}

// TokenBalance returns the owner's balance of a TIP-20 token in base units. The error is [ErrRPC].
func (c *Client) TokenBalance(ctx context.Context, token, owner common.Address) (voucher.Amount, error) {
	var answer hexutil.Bytes
	if err := c.ask(ctx, 0, balanceOf(&answer, token, owner)); err != nil {
		return voucher.Amount{}, err
	}
	return decodeBalance(answer, token)
}

func balanceOf(answer *hexutil.Bytes, token, owner common.Address) rpc.BatchElem {
	return ethCall(answer, token, calldata(selBalanceOf, word(owner)))
}

func decodeBalance(answer []byte, token common.Address) (voucher.Amount, error) {
	r := &words{rest: answer}
	balance := r.amount(voucher.MaxAmount)
	if !r.done() {
		return voucher.Amount{}, fmt.Errorf("%w: %s answers no balance: is it a token on this chain?", ErrRPC, token)
	}
	return balance, nil
}

func ethCall(answer *hexutil.Bytes, to common.Address, data []byte) rpc.BatchElem {
	tx := map[string]any{"to": to, "data": hexutil.Bytes(data)}
	return rpc.BatchElem{Method: "eth_call", Args: []any{tx, "latest"}, Result: answer}
}

// ask puts the questions to the node in one exchange, and fails if one of them fails. The chain id goes
// with the first questions ever. A node on another chain than want is [ErrChainID], and its answers are
// not looked at; zero is any chain.
func (c *Client) ask(ctx context.Context, want uint64, questions ...rpc.BatchElem) error {
	id := hexutil.Uint64(c.chain.Load())
	if want != 0 && id != 0 && uint64(id) != want {
		return fmt.Errorf("%w: it is on %d, not on %d", ErrChainID, id, want)
	}
	all := questions
	if id == 0 {
		all = append([]rpc.BatchElem{{Method: "eth_chainId", Result: &id}}, questions...)
	}
	if err := c.exchange(ctx, all); err != nil {
		return err
	}
	c.chain.Store(uint64(id))
	if want != 0 && uint64(id) != want {
		return fmt.Errorf("%w: it is on %d, not on %d", ErrChainID, id, want)
	}
	return nil
}

// exchange sends one call, or several as a batch, marked as repeatable. Signed bytes may be among them:
// they are the same each time.
func (c *Client) exchange(ctx context.Context, calls []rpc.BatchElem) error {
	marked := context.WithValue(ctx, repeatable{}, true)
	switch len(calls) {
	case 0:
		return nil
	case 1:
		one := calls[0]
		return failed(ctx, one.Method, c.rpc.CallContext(marked, one.Result, one.Method, one.Args...))
	}
	if err := c.rpc.BatchCallContext(marked, calls); err != nil {
		return failed(ctx, "batch", err)
	}
	for _, one := range calls {
		if _, optional := one.Result.(*pendingHeader); optional {
			continue
		}
		if one.Error != nil {
			return failed(ctx, one.Method, one.Error)
		}
	}
	return nil
}

// nodeError is the node's own answer that a call failed.
type nodeError struct {
	message string
	data    []byte
	code    int
}

func (e *nodeError) Error() string { return e.message }

// failed wraps what went wrong in a call. It shows the node's words and the kind of network error, never
// the URL, and the caller's own context error only where it is that.
func failed(ctx context.Context, method string, err error) error {
	var (
		node   rpc.Error
		data   rpc.DataError
		status rpc.HTTPError
		at     *url.Error
	)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, ctx.Err())
	case errors.As(err, &node):
		e := &nodeError{message: printable(node.Error()), code: node.ErrorCode()}
		if errors.As(err, &data) {
			text, _ := data.ErrorData().(string)
			e.data, _ = hexutil.Decode(text) // what is no hexadecimal is no revert data
		}
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, e)
	case errors.As(err, &status):
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, statusError(status.StatusCode))
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, errTooLarge)
	}
	for errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%w: %s: %s", ErrRPC, method, printable(err.Error()))
}

// printable cuts foreign text to what a person reads, without control characters.
func printable(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
