package node

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Call is one call of a JSON-RPC request.
type Call struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	// Seq is the number of the call at the node, from 1.
	Seq int `json:"-"`
}

// Param returns a parameter as a string, for example a hash. It is empty if there is none.
func (c Call) Param(i int) (s string) {
	var all []json.RawMessage
	if json.Unmarshal(c.Params, &all) == nil && i < len(all) {
		_ = json.Unmarshal(all[i], &s)
	}
	return s
}

// Object reads a parameter into v, which keeps its value if the parameter is something else.
func (c Call) Object(i int, v any) {
	var all []json.RawMessage
	if json.Unmarshal(c.Params, &all) == nil && i < len(all) {
		_ = json.Unmarshal(all[i], v)
	}
}

// Sends reports whether the call sends a transaction.
func (c Call) Sends() bool {
	return c.Method == "eth_sendRawTransaction" || c.Method == "eth_sendRawTransactionSync"
}

// Answer is the answer to a call: a result or an error.
type Answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *Error          `json:"error,omitempty"`
}

// Error is the error of an answer.
type Error struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Set makes the answer a result. It panics if v cannot be JSON.
func (a *Answer) Set(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	a.Result, a.Error = b, nil
}

// Fail makes the answer an error.
func (a *Answer) Fail(code int, message string) {
	a.Result, a.Error = nil, &Error{Code: code, Message: message}
}

// equal compares results, and errors by their code and message.
func (a *Answer) equal(b *Answer) bool {
	if a.Error != nil || b.Error != nil {
		return a.Error != nil && b.Error != nil && a.Error.Code == b.Error.Code &&
			a.Error.Message == b.Error.Message
	}
	return bytes.Equal(a.Result, b.Result)
}

// parse reads a request: one call, or a batch.
func parse(body []byte) (calls []Call, batch bool, err error) {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '[' {
		err = json.Unmarshal(body, &calls)
		batch = true
	} else {
		calls = make([]Call, 1)
		err = json.Unmarshal(body, &calls[0])
	}
	if err != nil {
		return nil, false, fmt.Errorf("clienttest: not a JSON-RPC request: %w", err)
	}
	return calls, batch, nil
}
