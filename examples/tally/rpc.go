package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// nodes asks the nodes of --rpc-url what package escrow does not: for a person to read, never for a payment. The first
// node that answers is the one that is believed.
type nodes struct {
	urls []string
	date time.Time // of the last answer, by the node's clock; zero if it did not say
}

// Bounds of one call.
const (
	callTime  = 10 * time.Second
	maxResult = 1 << 20 // bytes
)

// refusal is an error object of JSON-RPC: the node answered, and did not do it.
type refusal struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the node refuses: %s (%d)", inline(r.Message), r.Code)
}

// noMethod is the code of a node that does not know the method.
const noMethod = -32601

// nodes returns the nodes of the flags, which may be asked.
func (p *wallet) nodes() (*nodes, error) {
	if len(p.rpcURLs) == 0 {
		return nil, fail(exitUsage, errors.New("that needs a node of the chain: set --rpc-url "+
			"(the testnet's is https://rpc.moderato.tempo.xyz)"))
	}
	if err := p.checkNodes(); err != nil {
		return nil, fail(exitUsage, fmt.Errorf("--rpc-url: %w", err))
	}
	return &nodes{urls: p.rpcURLs}, nil
}

// call calls a method and decodes its result.
func (n *nodes) call(ctx context.Context, result any, method string, params ...any) error {
	var errs []error
	for i, one := range n.urls {
		err := n.callOne(ctx, one, result, method, params)
		var refused *refusal
		if err == nil || errors.As(err, &refused) || ctx.Err() != nil {
			return err
		}
		if len(n.urls) > 1 {
			err = fmt.Errorf("node %d: %w", i+1, err)
		}
		errs = append(errs, err)
	}
	return fail(exitBusy, errors.Join(errs...))
}

// direct follows no redirect, which could lead to another node, and in plain text.
var direct = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (n *nodes) callOne(ctx context.Context, rawurl string, result any, method string, params []any) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, rawurl, bytes.NewReader(body))
	if err != nil {
		return errNoRPC
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := direct.Do(req)
	if err != nil {
		var at *url.Error // its URL may have a key in it
		if errors.As(err, &at) {
			err = at.Err
		}
		return fmt.Errorf("the node does not answer: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxResult))
	if err != nil {
		return fmt.Errorf("the node's answer ended too early: %w", err)
	}
	n.date, _ = http.ParseTime(resp.Header.Get("Date"))
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *refusal        `json:"error"`
	}
	switch err := json.Unmarshal(text, &answer); {
	case err != nil:
		return fmt.Errorf("the node's answer is not JSON-RPC (HTTP status %d)", resp.StatusCode)
	case answer.Error != nil:
		return answer.Error
	}
	if err := json.Unmarshal(answer.Result, result); err != nil {
		return fmt.Errorf("the node's answer to %s cannot be read", method)
	}
	return nil
}

// chainID returns the id of the chain.
func (n *nodes) chainID(ctx context.Context) (uint64, error) {
	var id hexutil.Uint64
	err := n.call(ctx, &id, "eth_chainId")
	return uint64(id), err
}

// balance returns what an address holds of a token. ok is false if the chain has no such token.
func (n *nodes) balance(ctx context.Context, token, of common.Address) (a voucher.Amount, ok bool, err error) {
	var answer hexutil.Bytes
	data := append(hexutil.MustDecode("0x70a08231000000000000000000000000"), of[:]...) // balanceOf(address)
	err = n.call(ctx, &answer, "eth_call", map[string]any{"to": token, "data": hexutil.Bytes(data)}, "latest")
	if err != nil || len(answer) == 0 {
		return a, false, err
	}
	if len(answer) != common.HashLength {
		return a, false, fmt.Errorf("%s answers no balance: is it a token?", token)
	}
	a, err = voucher.AmountFromBig(common.BytesToHash(answer).Big())
	return a, true, err
}

// chainName is a chain for a person.
func chainName(id uint64) string {
	switch id {
	case escrow.Mainnet:
		return fmt.Sprintf("chain %d (Tempo)", id)
	case escrow.Moderato:
		return fmt.Sprintf("chain %d (Moderato, the testnet, or a demo)", id)
	}
	return fmt.Sprintf("chain %d", id)
}
