package interop

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// request and response are JSON-RPC.
type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
}

type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    any    `json:"data,omitempty"`
}

func (f *failure) Error() string { return f.Message }

// ServeHTTP is the proxy.
func (a *anvil) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var raw json.RawMessage
	if json.NewDecoder(r.Body).Decode(&raw) != nil {
		http.Error(w, "no JSON", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(string(raw), "[") {
		var batch []request
		_ = json.Unmarshal(raw, &batch)
		out := make([]response, len(batch))
		for i, one := range batch {
			out[i] = a.answer(one)
		}
		_ = json.NewEncoder(w).Encode(out)
		return
	}
	var one request
	_ = json.Unmarshal(raw, &one)
	_ = json.NewEncoder(w).Encode(a.answer(one))
}

func (a *anvil) answer(r request) response {
	var result any
	var err error
	switch r.Method {
	case "eth_call", "eth_estimateGas":
		result, err = a.simulate(r.Method, r.Params)
	case "eth_sendRawTransaction", "eth_sendRawTransactionSync":
		result, err = a.send(r.Method, r.Params)
	case "eth_fillTransaction":
		// This anvil fills in the gas of an empty call. Without the method the peers fill in themselves.
		err = &failure{Code: -32601, Message: "the method eth_fillTransaction does not exist"}
	default:
		result, err = a.forward(r.Method, r.Params)
	}
	out := response{Version: "2.0", ID: r.ID, Result: result}
	if err != nil {
		out.Result, out.Error = nil, asFailure(err)
	} else if result == nil {
		out.Result = json.RawMessage("null")
	}
	return out
}

func (a *anvil) forward(method string, params []json.RawMessage) (any, error) {
	list := make([]any, len(params))
	for i, p := range params {
		list[i] = p
	}
	var out json.RawMessage
	if err := a.up.call(&out, method, list...); err != nil {
		return nil, err
	}
	return out, nil
}

// asFailure keeps code and data of an error from anvil.
func asFailure(err error) *failure {
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	f = &failure{Code: -32603, Message: err.Error()}
	var coded rpc.Error
	if errors.As(err, &coded) {
		f.Code = coded.ErrorCode()
	}
	var detailed rpc.DataError
	if errors.As(err, &detailed) {
		f.Data = detailed.ErrorData()
	}
	return f
}

// simulated is the object of eth_call and eth_estimateGas.
type simulated struct {
	From  common.Address  `json:"from"`
	To    *common.Address `json:"to"`
	Data  hexutil.Bytes   `json:"data"`
	Input hexutil.Bytes   `json:"input"`
	Calls []simulated     `json:"calls"`
}

// simulate spells out Tempo's list of calls, which this anvil accepts and then ignores. The gas of the call
// is not held to the transaction's limit, and what a Tempo transaction costs on top is added to an estimate.
func (a *anvil) simulate(method string, params []json.RawMessage) (any, error) {
	var s simulated
	if len(params) == 0 || json.Unmarshal(params[0], &s) != nil {
		return a.forward(method, params)
	}
	one := s
	if len(s.Calls) > 1 {
		return nil, &failure{Code: -32602, Message: "interop: one call at a time"}
	} else if len(s.Calls) == 1 {
		one = s.Calls[0]
	}
	if one.To == nil {
		return a.forward(method, params)
	}
	data := one.Input
	if len(data) == 0 {
		data = one.Data
	}
	if err := a.prepare(s.From, *one.To, data, simulation); err != nil {
		return nil, err
	}
	list := []any{map[string]any{"from": s.From, "to": one.To, "data": data}}
	for _, p := range params[1:] {
		list = append(list, p)
	}
	if method == "eth_call" {
		var out json.RawMessage
		return &out, a.up.call(&out, method, list...)
	}
	var gas hexutil.Uint64
	err := a.up.call(&gas, method, list...)
	return gas + gas/10 + 60_000, err
}

// send does what a Tempo node does and this anvil does not: it refuses at once what can never be mined, and
// answers when the transaction is mined.
func (a *anvil) send(method string, params []json.RawMessage) (any, error) {
	var raw hexutil.Bytes
	if len(params) == 0 || json.Unmarshal(params[0], &raw) != nil {
		return a.forward(method, params)
	}
	tx, err := devchain.Inspect(raw)
	if err != nil {
		return a.forward(method, params)
	}
	hash := crypto.Keccak256Hash(raw)
	var receipt json.RawMessage
	if a.mined(hash, &receipt) {
		return nil, refused("already executed")
	}
	if expiry := time.Unix(int64(tx.ValidBefore), 0); tx.ValidBefore != 0 && a.now().Add(30*time.Second).Before(expiry) {
		return nil, refused("validBefore is more than 30 seconds ahead")
	}
	for _, one := range tx.Calls {
		if err := a.prepare(tx.Sender, one.To, one.Data, tx.ExpiringNonceHash); err != nil {
			return nil, err
		}
	}
	result, err := a.forward(method, params)
	if err != nil {
		return nil, err
	}
	// Mined at once, or with the next block, or never.
	for range 3 {
		for range 40 {
			if a.mined(hash, &receipt) {
				return result, nil
			}
			time.Sleep(5 * time.Millisecond)
		}
		if err := a.up.call(nil, "evm_mine"); err != nil {
			return nil, err
		}
	}
	_ = a.up.call(nil, "anvil_dropTransaction", hash)
	return nil, refused("accepted, and then not mined")
}

func refused(why string) error { return &failure{Code: -32003, Message: "interop: " + why} }

func (a *anvil) mined(hash common.Hash, receipt *json.RawMessage) bool {
	*receipt = nil
	return a.up.call(receipt, "eth_getTransactionReceipt", hash) == nil && len(*receipt) > 0 && string(*receipt) != "null"
}

// now is the time of the newest block, and the clock on the wall where that is later.
func (a *anvil) now() time.Time {
	var block struct{ Timestamp hexutil.Uint64 }
	_ = a.up.call(&block, "eth_getBlockByNumber", "latest", false)
	at := time.Unix(int64(block.Timestamp), 0)
	if wall := time.Now(); at.Before(wall) {
		return wall
	}
	return at
}
