package devchain

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// quantity is a JSON-RPC number that may also be written "0x", which means zero, or with leading zeros.
type quantity struct{ big.Int }

// UnmarshalJSON reads a hexadecimal string.
func (q *quantity) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	digits, ok := strings.CutPrefix(s, "0x")
	if digits == "" && ok {
		return nil
	}
	if _, valid := q.SetString(digits, 16); !ok || !valid || q.Sign() < 0 || q.BitLen() > 256 {
		return fmt.Errorf("%q is not a hexadecimal quantity", s)
	}
	return nil
}

// callRequest is one call in the object of eth_call and eth_estimateGas.
type callRequest struct {
	To    *common.Address `json:"to"`
	Value quantity        `json:"value"`
	Data  hexutil.Bytes   `json:"data"`
	Input hexutil.Bytes   `json:"input"`
}

// txRequest is that object: the plain form with one call in line, or Tempo's with a list of calls.
// Fields that do not matter for the answer are not looked at.
type txRequest struct {
	callRequest
	From              common.Address  `json:"from"`
	ChainID           *quantity       `json:"chainId"`
	Calls             []callRequest   `json:"calls"`
	Gas               *hexutil.Uint64 `json:"gas"`
	GasPrice          quantity        `json:"gasPrice"`
	MaxFeePerGas      quantity        `json:"maxFeePerGas"`
	FeeToken          *common.Address `json:"feeToken"`
	FeePayer          json.RawMessage `json:"feePayer"`
	FeePayerSignature json.RawMessage `json:"feePayerSignature"`
	NonceKey          quantity        `json:"nonceKey"`
	ValidBefore       quantity        `json:"validBefore"`
	ValidAfter        quantity        `json:"validAfter"`
	KeyType           string          `json:"keyType"`
	KeyID             *common.Address `json:"keyId"`
}

// invalidParams is a request that makes no sense.
type invalidParams struct{ reason string }

func (e *invalidParams) Error() string { return e.reason }

// ErrorCode is the JSON-RPC code.
func (e *invalidParams) ErrorCode() int { return -32602 }

// batch returns the calls of the request.
func (r *txRequest) batch(chainID uint64) ([]call, error) {
	list := r.Calls
	if len(list) == 0 {
		list = []callRequest{r.callRequest}
	} else if r.To != nil || len(r.Data) != 0 || len(r.Input) != 0 {
		return nil, &invalidParams{"either to and data, or calls, not both"}
	}
	if r.ChainID != nil && r.ChainID.Cmp(new(big.Int).SetUint64(chainID)) != 0 {
		return nil, &invalidParams{fmt.Sprintf("chain id %s; this is chain %d", r.ChainID, chainID)}
	}
	out := make([]call, len(list))
	for i, one := range list {
		data := one.Input
		if len(data) == 0 {
			data = one.Data
		} else if len(one.Data) != 0 && !bytes.Equal(one.Data, data) {
			return nil, &invalidParams{"data and input differ"}
		}
		if one.To == nil {
			return nil, &invalidParams{"contract creation is not supported here"}
		}
		if one.Value.Sign() != 0 {
			return nil, &invalidParams{"this chain has no native token: value must be 0"}
		}
		out[i] = call{to: one.To, value: new(big.Int), data: data}
	}
	return out, nil
}

// sponsored reports whether somebody else is to pay.
func (r *txRequest) sponsored() bool {
	given := func(b json.RawMessage) bool { return len(b) > 0 && string(b) != "null" && string(b) != "false" }
	return given(r.FeePayer) || given(r.FeePayerSignature)
}

// price is what the request says that gas costs at most; zero when it says nothing.
func (r *txRequest) price() *big.Int {
	if r.MaxFeePerGas.Sign() != 0 {
		return &r.MaxFeePerGas.Int
	}
	return &r.GasPrice.Int
}

// Call runs calls on the state of a block, the newest one if none is named, and returns what the last
// one returned. Overrides of state are refused.
func (a *api) Call(
	ctx context.Context, request txRequest, at *rpc.BlockNumberOrHash, overrides *json.RawMessage,
) (hexutil.Bytes, error) {
	v, release := a.read(ctx, "eth_call")
	defer release()
	calls, back, err := a.prepare(&request, at, overrides)
	if err != nil {
		return nil, err
	}
	defer back()
	for i := range calls {
		calls[i].data = a.c.without(&v, calls[i])
	}
	out, _, err := a.c.simulate(request.From, calls, nil)
	return out, err
}

// EstimateGas returns the smallest gas limit with which the calls succeed. A request with a price
// must leave the payer enough for the gas limit that it names, or for a whole block where it names
// none: so do Tempo's nodes.
func (a *api) EstimateGas(
	ctx context.Context, request txRequest, at *rpc.BlockNumberOrHash, overrides *json.RawMessage,
) (hexutil.Uint64, error) {
	_, release := a.read(ctx, "eth_estimateGas")
	defer release()
	calls, back, err := a.prepare(&request, at, overrides)
	if err != nil {
		return 0, err
	}
	defer back()
	token := a.c.cfg.Tokens[0].Address
	if request.FeeToken != nil {
		token = *request.FeeToken
	}
	limit := uint64(blockGasLimit)
	if request.Gas != nil {
		limit = uint64(*request.Gas)
	}
	var before func(*state)
	if !request.sponsored() && request.price().Sign() != 0 {
		if err := a.c.canPay(request.From, token, limit, request.price()); err != nil {
			return 0, err
		}
		before = holdFee(request.From, token, limit, request.price())
	}
	_, gas, err := a.c.simulate(request.From, calls, before)
	if err != nil {
		return 0, err
	}
	gas += intrinsicGas(calls, common.BigToHash(&request.NonceKey.Int), request.signatureGas())
	if gas > limit {
		return 0, fmt.Errorf("gas required exceeds allowance (%d)", limit)
	}
	return hexutil.Uint64(gas), nil
}

// signatureGas is what the announced kind of signature costs on top.
func (r *txRequest) signatureGas() (gas uint64) {
	if strings.EqualFold(r.KeyType, "p256") {
		gas += gasP256
	}
	if r.KeyID != nil {
		gas += gasKeychain
	}
	return gas
}

// stateOf are the functions that read one channel by its id, the first argument.
var stateOf = []selector{selectorOf("getChannelState(bytes32)"), selectorOf("getChannel(bytes32)")}

// without is the data of a call as a node runs it that hides channels: a read of one of them reads a
// channel that nobody has opened.
func (c *Chain) without(v *View, one call) []byte {
	reads := len(one.data) == 36 && slices.Contains(stateOf, selector(one.data[:4])) &&
		(*one.to == ReserveAddress || *one.to == c.cfg.StreamChannel)
	if !reads || !v.hidesChannel(common.Hash(one.data[4:])) {
		return one.data
	}
	return append(bytes.Clone(one.data[:4]), keccak([]byte("hidden"), one.data[4:]).Bytes()...)
}

// prepare checks a request, returns its calls and makes the block that it names the newest one, until
// back. The caller holds c.mu.
func (a *api) prepare(
	request *txRequest, at *rpc.BlockNumberOrHash, overrides *json.RawMessage,
) (calls []call, back func(), err error) {
	if overrides != nil && string(*overrides) != "null" && string(*overrides) != "{}" {
		return nil, nil, &invalidParams{"state overrides are not supported here"}
	}
	if calls, err = request.batch(a.c.cfg.ChainID); err != nil {
		return nil, nil, err
	}
	if back, err = a.c.stateAt(at); err != nil {
		return nil, nil, err
	}
	now := new(big.Int).SetUint64(a.c.head().time)
	switch {
	case request.ValidBefore.Sign() != 0 && request.ValidBefore.Cmp(now) <= 0:
		err = refusef("expired: validBefore %s is not after %s", &request.ValidBefore, now)
	case request.ValidAfter.Cmp(now) > 0:
		err = refusef("not valid yet: validAfter %s is after %s", &request.ValidAfter, now)
	}
	if err != nil {
		back()
		return nil, nil, err
	}
	return calls, back, nil
}
