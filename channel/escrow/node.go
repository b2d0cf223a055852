package escrow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// node is one node of the chain.
type node struct {
	rpc endpoint
	// chain is the node's chain id once it is known, else zero.
	chain atomic.Uint64
}

// ask puts the questions to the nodes in one exchange, and fails if one of them fails. The node that
// answered last is asked first. The next one is asked if it gave no answer of its own, or is on another
// chain than want; zero is any chain.
func (c *Client) ask(ctx context.Context, want uint64, questions ...rpcCall) error {
	return c.askFor(ctx, want, func() error { return nil }, questions...)
}

// askFor is like ask. The next node is asked also if check refuses the answers, or the node refuses a search
// of logs: not every node has all blocks, or lets as many be searched.
func (c *Client) askFor(ctx context.Context, want uint64, check func() error, questions ...rpcCall) error {
	return c.anyNode(ctx, func(n *node) error {
		if err := n.ask(ctx, cmp.Or(want, c.chain.Load()), questions); err != nil {
			return err
		}
		if c.chain.CompareAndSwap(0, n.chain.Load()) {
			c.chainAt.Store(c.now().UnixNano())
		}
		if err := firstError(questions); err != nil {
			if questions[0].Method == "eth_getLogs" {
				return fmt.Errorf("%w%w", err, errOthersMay)
			}
			return err
		}
		return check()
	})
}

// errOthersMay marks the refusal of a node that is not final, since another one may answer. It has no text.
var errOthersMay = errors.New("")

// anyNode tries the nodes in turn until one answers. A refusal that is the node's own answer is one.
func (c *Client) anyNode(ctx context.Context, do func(*node) error) error {
	first := int(c.preferred.Load())
	var errs []error
	for i := range c.nodes {
		at := (first + i) % len(c.nodes)
		err := do(c.nodes[at])
		if err == nil || isAnswer(err) {
			c.preferred.Store(int64(at))
			return err
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	if able := slices.DeleteFunc(slices.Clone(errs), lacksMethod); len(able) > 0 {
		errs = able // what they say decides what is asked next
	}
	return joined(errs)
}

// lacksMethod reports whether a node does not know what it was asked.
func lacksMethod(err error) bool {
	var e *nodeError
	return errors.As(err, &e) && e.code == methodNotFound
}

// ask puts questions to one node. The chain id goes with the first questions, until it is the wanted one. A node on another chain
// than want is [ErrChainID], and its answers are not looked at. Errors of single questions are in them.
func (n *node) ask(ctx context.Context, want uint64, questions []rpcCall) error {
	id := n.chain.Load()
	if id != 0 && (want == 0 || id == want) {
		return n.exchange(ctx, questions)
	}
	var told hexutil.Uint64
	all := append([]rpcCall{{Method: "eth_chainId", Result: &told}}, questions...)
	err := n.exchange(ctx, all)
	copy(questions, all[1:])
	switch id = uint64(told); {
	case err != nil:
		return err
	case all[0].Error != nil:
		return all[0].Error
	case id == 0:
		return errChainZero
	case want != 0 && id != want:
		return fmt.Errorf("%w: it is on %d, not on %d", ErrChainID, id, want)
	}
	n.chain.Store(id)
	return nil
}

// chainID asks for the chain id, whatever the node said before.
func (n *node) chainID(ctx context.Context) (uint64, error) {
	var told hexutil.Uint64
	question := []rpcCall{{Method: "eth_chainId", Result: &told}}
	err := n.exchange(ctx, question)
	if err == nil {
		err = firstError(question)
	}
	if err == nil && told == 0 {
		err = errChainZero
	}
	if err != nil {
		return 0, err
	}
	n.chain.Store(uint64(told))
	return uint64(told), nil
}

var errChainZero = fmt.Errorf("%w: it says that it is on chain 0", ErrChainID)

// exchange sends one call, or several as a batch, marked as repeatable. Signed bytes may be among them:
// they are the same each time. The error is that of the exchange; those of single calls are in them.
func (n *node) exchange(ctx context.Context, calls []rpcCall) error {
	if len(calls) == 0 {
		return nil
	}
	err := n.rpc.post(context.WithValue(ctx, repeatable{}, true), calls)
	if err != nil && len(calls) == 1 {
		return failed(ctx, calls[0].Method, err)
	}
	if err != nil {
		return failed(ctx, "batch", err)
	}
	for i := range calls {
		calls[i].Error = failed(ctx, calls[i].Method, calls[i].Error)
	}
	return nil
}

// firstError returns the error of the first question that has one and has to be answered.
func firstError(questions []rpcCall) error {
	for _, one := range questions {
		if _, optional := one.Result.(*pendingHeader); one.Error != nil && !optional {
			return one.Error
		}
	}
	return nil
}

// isAnswer reports whether the node itself refused a call, for a reason other than the rate.
func isAnswer(err error) bool {
	var e *nodeError
	return errors.As(err, &e) && !errors.Is(err, ErrChainID) && !errors.Is(err, errOthersMay) && !isLimited(err)
}

// isLimited reports whether the node wants fewer requests a second.
func isLimited(err error) bool {
	var e *nodeError
	return errors.Is(err, errLimited) || errors.As(err, &e) && limits(e.code, e.message)
}

// errLimited is HTTP 429, or an error inside HTTP 200 that means the same.
var errLimited = errors.New("the node limits the rate of requests (HTTP 429, or a JSON-RPC error that says so)")

// JSON-RPC codes of nodes that limit the rate. Nodes use limitExceeded (EIP-1474) also for a search of too
// many blocks.
const (
	limitExceeded = -32005
	overRate      = -32016
)

// limits reports whether an error of a node is about the rate of requests.
func limits(code int, message string) bool {
	switch code {
	case http.StatusTooManyRequests, overRate:
		return true
	case limitExceeded:
		return aboutRate(message) || !aboutRange(message)
	}
	return false
}

func aboutRate(message string) bool {
	return mentions(message, "rate", "request", "second", "retry", "throttle")
}

func aboutRange(message string) bool {
	return mentions(message, "range", "block", "result", "logs", "size")
}

func mentions(text string, any ...string) bool {
	text = strings.ToLower(text)
	for _, one := range any {
		if strings.Contains(text, one) {
			return true
		}
	}
	return false
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
		node   *nodeError
		status httpStatus
		at     *url.Error
	)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, ctx.Err())
	case errors.As(err, &node):
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, node)
	case errors.As(err, &status):
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, statusError(int(status)))
	case errors.Is(err, errTooLarge):
		return fmt.Errorf("%w: %s: %w", ErrRPC, method, errTooLarge)
	}
	for errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%w: %s: %s", ErrRPC, method, printable(err.Error()))
}

// printable cuts foreign text to what a person reads, without what controls a terminal or
// reorders text.
func printable(s string) string {
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' ' // Cf reorders text
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
