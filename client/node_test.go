package client_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
)

// node is the way to the chain, where what it answers can be changed.
type node struct {
	base http.RoundTripper
	mu   sync.Mutex // guards what follows
	// answer changes the result of a call; nil leaves all as it is. An error instead of a result is a nodeRefusal.
	answer func(call rpcCall, result json.RawMessage) any
	calls  []rpcCall
}

type rpcCall struct {
	ID     json.RawMessage
	Method string
	Params []json.RawMessage
}

// nodeRefusal is a JSON-RPC error.
type nodeRefusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// through lets the payer's chain client go through a node of the test's.
func (p *payer) through() *node {
	p.t.Helper()
	n := &node{base: http.DefaultTransport.(*http.Transport).Clone()}
	p.t.Cleanup(n.base.(*http.Transport).CloseIdleConnections)
	chain, err := escrow.Dial(p.t.Context(), p.srv.RPCURL, escrow.WithTransport(n))
	require.NoError(p.t, err)
	p.t.Cleanup(chain.Close)
	p.cfg.Chain = chain
	p.restart()
	return n
}

func (n *node) lie(answer func(call rpcCall, result json.RawMessage) any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// since forgets the calls so far.
func (n *node) since() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = nil
}

func (n *node) called(method string) (out []rpcCall) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.calls {
		if c.Method == method {
			out = append(out, c)
		}
	}
	return out
}

func (n *node) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, err
	}
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := n.base.RoundTrip(again)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	text = n.changed(body, text)
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	resp.Header.Del("Content-Length")
	return resp, nil
}

func (n *node) changed(asked, said []byte) []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	var calls []rpcCall
	var answers []map[string]json.RawMessage
	batch := bytes.HasPrefix(bytes.TrimSpace(asked), []byte("["))
	if !batch {
		asked, said = append(append([]byte("["), asked...), ']'), append(append([]byte("["), said...), ']')
	}
	if json.Unmarshal(asked, &calls) != nil || json.Unmarshal(said, &answers) != nil {
		return said
	}
	n.calls = append(n.calls, calls...)
	for i, a := range answers {
		for _, c := range calls {
			if n.answer == nil || string(c.ID) != string(a["id"]) {
				continue
			}
			switch result := n.answer(c, a["result"]).(type) {
			case nodeRefusal:
				delete(answers[i], "result")
				answers[i]["error"], _ = json.Marshal(result)
			default:
				if text, _ := json.Marshal(result); string(text) != "null" {
					answers[i]["result"] = text
					delete(answers[i], "error")
				}
			}
		}
	}
	var out []byte
	if out, _ = json.Marshal(answers); !batch {
		out, _ = json.Marshal(answers[0])
	}
	return out
}

// span is the range of blocks that a call for logs is about.
func (c rpcCall) span() (from, to uint64) {
	var f struct{ FromBlock, ToBlock hexutil.Uint64 }
	_ = json.Unmarshal(c.Params[0], &f)
	return uint64(f.FromBlock), uint64(f.ToBlock)
}

// stateOf reports whether a call reads the escrow's state of a channel.
func (c rpcCall) stateOf(id common.Hash) bool {
	var tx struct{ Data hexutil.Bytes }
	return c.Method == "eth_call" && json.Unmarshal(c.Params[0], &tx) == nil && len(tx.Data) == 36 && common.Hash(tx.Data[4:]) == id
}

// only refuses calls for logs of more than a number of blocks.
func onlyBlocks(most uint64) func(rpcCall, json.RawMessage) any {
	return func(c rpcCall, result json.RawMessage) any {
		if c.Method == "eth_getLogs" {
			if from, to := c.span(); to-from >= most {
				return nodeRefusal{-32005, "query exceeds max block range"}
			}
		}
		return result
	}
}
