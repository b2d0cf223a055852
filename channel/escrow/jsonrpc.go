package escrow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"sync/atomic"

	"github.com/ethereum/go-ethereum/common/hexutil"
)

// rpcCall is one JSON-RPC call and what was answered to it.
type rpcCall struct {
	Method string
	Args   []any
	// Result points to what the result is decoded into. It is zeroed first, so that nothing remains of the
	// answer of another node; that matters for null, which changes nothing when it is decoded.
	Result any
	// Error is a [*nodeError] if the node refused the call, and another error if its answer is missing or
	// malformed.
	Error error
}

// endpoint sends JSON-RPC 2.0 calls to one URL by HTTP POST.
type endpoint struct {
	url  string
	http *http.Client
	ids  atomic.Uint64 // the last id that was used
}

// rpcRequest and rpcResponse are the two messages of JSON-RPC 2.0.
type rpcRequest struct {
	Version string `json:"jsonrpc"`
	ID      uint64 `json:"id"`
	Method  string `json:"method"`
	Params  []any  `json:"params,omitempty"`
}

type rpcResponse struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *rpcRefusal     `json:"error"` // also null beside a result, which the specification forbids
}

// rpcRefusal is the error object of a response. What is no such object is an error without code and message.
type rpcRefusal struct{ nodeError }

// UnmarshalJSON never fails, so that one malformed error does not spoil the answers to other calls.
func (r *rpcRefusal) UnmarshalJSON(text []byte) error {
	var object struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    any    `json:"data"`
	}
	_ = json.Unmarshal(text, &object) // sets the fields that can be read
	r.code, r.message = object.Code, printable(object.Message)
	if r.message == "" {
		r.message = "JSON-RPC error " + strconv.Itoa(r.code)
	}
	data, _ := object.Data.(string)
	r.data, _ = hexutil.Decode(data) // what is no hexadecimal is no revert data
	return nil
}

var (
	errNoAnswer = errors.New("the node did not answer this call")
	errNoResult = errors.New("the node's answer has neither a result nor an error")
)

// httpStatus is the status of a response that is no answer to JSON-RPC.
type httpStatus int

func (s httpStatus) Error() string { return "HTTP " + strconv.Itoa(int(s)) }

// post sends the calls in one exchange, several as a batch, and sets the result or the error of each. It returns
// an error if there is no answer to any of them.
func (e *endpoint) post(ctx context.Context, calls []rpcCall) error {
	requests, waiting := make([]rpcRequest, len(calls)), make(map[string]*rpcCall, len(calls))
	last := e.ids.Add(uint64(len(calls)))
	for i := range calls {
		c, id := &calls[i], last-uint64(len(calls)-1-i)
		reflect.ValueOf(c.Result).Elem().SetZero()
		c.Error = errNoAnswer
		requests[i] = rpcRequest{Version: "2.0", ID: id, Method: c.Method, Params: c.Args}
		waiting[strconv.FormatUint(id, 10)] = c
	}
	if len(calls) == 1 {
		return e.postOne(ctx, requests[0], &calls[0])
	}
	body, err := e.exchange(ctx, requests)
	if err != nil {
		return err
	}
	var responses []rpcResponse
	if err = json.Unmarshal(body, &responses); err != nil {
		return refusedBatch(body, err)
	}
	for _, r := range responses {
		if c := waiting[string(r.ID)]; c != nil {
			c.Error = r.decode(c.Result)
			delete(waiting, string(r.ID)) // the first answer counts
		}
	}
	return nil
}

// postOne sends one call by itself. A refusal counts whatever its id is: nodes that could not read the request
// send null.
func (e *endpoint) postOne(ctx context.Context, request rpcRequest, c *rpcCall) error {
	body, err := e.exchange(ctx, request)
	if err != nil {
		return err
	}
	var r rpcResponse
	if err = json.Unmarshal(body, &r); err != nil {
		return err
	}
	if r.Error != nil || string(r.ID) == strconv.FormatUint(request.ID, 10) {
		c.Error = r.decode(c.Result)
	}
	return nil
}

// decode stores the result, or returns why there is none.
func (r *rpcResponse) decode(result any) error {
	switch {
	case r.Error != nil:
		return &r.Error.nodeError
	case r.Result == nil:
		return errNoResult
	}
	return json.Unmarshal(r.Result, result)
}

// refusedBatch is the error for the answer to a batch that is no list: the node's message if it is an error.
// It is not a [*nodeError], because the node has answered none of the calls.
func refusedBatch(body []byte, malformed error) error {
	var one rpcResponse
	if json.Unmarshal(body, &one) != nil || one.Error == nil {
		return malformed
	}
	return fmt.Errorf("the node refuses the batch: %s", one.Error.message)
}

// exchange posts a message and returns the body of the response.
func (e *endpoint) exchange(ctx context.Context, message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		_, _ = io.Copy(io.Discard, resp.Body) // bounded; the connection can be used again
		return nil, httpStatus(resp.StatusCode)
	}
	return io.ReadAll(resp.Body)
}
