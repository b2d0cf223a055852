package escrow

import (
	"context"
	"net/http"
	"time"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// What the tests see of the inside.

// InTest makes every pause short, not what a slow machine may need for an exchange, and the clock the test's own where now is not nil.
func InTest(now func() time.Time) Option {
	return func(c *Client) {
		c.waits = waits{
			attempt: defaultWaits.attempt, retryMin: time.Millisecond, retryMax: 5 * time.Millisecond, poll: time.Millisecond,
			confirm: 200 * time.Millisecond, others: 100 * time.Millisecond, limited: time.Millisecond,
		}
		if now != nil {
			c.now = now
		}
	}
}

// Attempt bounds one exchange.
func Attempt(longest time.Duration) Option { return func(c *Client) { c.waits.attempt = longest } }

// HTTPClient is the client under JSON-RPC, for requests without the mark.
func HTTPClient() *http.Client {
	return newHTTPClient(http.DefaultTransport, waits{attempt: time.Second, retryMin: time.Millisecond, retryMax: time.Millisecond})
}

const (
	KeepFor = keepFor
	Sends   = 1 + maxResends
)

// Selectors by signature, for the test that derives them.
var Selectors = map[string]uint32{
	"approve(address,uint256)": selApprove,
	"balanceOf(address)":       selBalanceOf,
	"symbol()":                 selSymbol,
	"decimals()":               selDecimals,
	"open(address,address,uint128,bytes32,address)": selOpenV1,
	"topUp(bytes32,uint256)":                        selTopUpV1,
	"requestClose(bytes32)":                         selCloseV1,
	"withdraw(bytes32)":                             selWithdrawV1,
	"getChannel(bytes32)":                           selChannelV1,
	"getChannelState(bytes32)":                      selStateV2,

	"open(address,address,address,uint96,bytes32,address)":                    selOpenV2,
	"topUp((address,address,address,address,bytes32,address,bytes32),uint96)": selTopUpV2,
	"requestClose((address,address,address,address,bytes32,address,bytes32))": selCloseV2,
	"withdraw((address,address,address,address,bytes32,address,bytes32))":     selWithdrawV2,
}

// The calls, as bytes.
var (
	Approve     = approve
	OpenCall    = openCall
	ChannelCall = channelCall
	StateCall   = stateCall
)

// DecodeState reads the answer to a question about a channel.
var DecodeState = decodeState

// Reason is what a node's answer says of a revert.
func Reason(message string, data []byte) string {
	return reason(&nodeError{message: message, data: data})
}

// ClosedTopic is the topic of a close.
var ClosedTopic = closedTopic

// GasPrice asks for the price of gas on a chain.
func (c *Client) GasPrice(ctx context.Context, chainID uint64) error {
	var price hexutil.Uint64
	return c.ask(ctx, chainID, rpcCall{Method: "eth_gasPrice", Result: &price})
}
