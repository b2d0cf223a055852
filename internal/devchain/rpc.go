package devchain

import (
	"context"
	"encoding/json"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"
)

// hexBytes is 0x-prefixed hexadecimal.
func hexBytes(b []byte) string { return hexutil.Encode(b) }

// newRPCServer serves the methods of api as eth_….
func newRPCServer(c *Chain) *rpc.Server {
	s := rpc.NewServer()
	if err := s.RegisterName("eth", &api{c}); err != nil {
		panic(err) // api has methods
	}
	return s
}

// api is the eth namespace. Its exported methods are the JSON-RPC methods.
type api struct{ c *Chain }

// ChainId is eth_chainId, which is why it is not called ChainID.
func (a *api) ChainId() hexutil.Uint64 { return hexutil.Uint64(a.c.cfg.ChainID) }

func (a *api) BlockNumber(ctx context.Context) hexutil.Uint64 {
	_, release := a.read(ctx, "eth_blockNumber")
	defer release()
	return hexutil.Uint64(a.c.head().number)
}

func (a *api) GasPrice() hexutil.Uint64 { return hexutil.Uint64(a.c.cfg.BaseFee) }

func (a *api) MaxPriorityFeePerGas() hexutil.Uint64 { return 0 }

func (a *api) SendRawTransaction(ctx context.Context, raw hexutil.Bytes) (common.Hash, error) {
	r, err := a.c.sendWithFaults(ctx, raw)
	if err != nil {
		return common.Hash{}, err
	}
	return r.TxHash, nil
}

// SendRawTransactionSync answers with the receipt. The second argument is a timeout, which blocks
// that come at once do not need.
func (a *api) SendRawTransactionSync(ctx context.Context, raw hexutil.Bytes, _ *json.RawMessage) (map[string]any, error) {
	r, err := a.c.sendWithFaults(ctx, raw)
	if err != nil {
		return nil, err
	}
	return receiptJSON(r), nil
}

func (a *api) GetTransactionReceipt(ctx context.Context, hash common.Hash) map[string]any {
	v, release := a.read(ctx, "eth_getTransactionReceipt")
	defer release()
	if r := a.c.mined(hash); r != nil && !v.hidesTransaction(hash) {
		return receiptJSON(r)
	}
	return nil
}

// GetTransactionByHash answers null for a transaction that the node has never heard of. One that waits in
// its pool has no block.
func (a *api) GetTransactionByHash(ctx context.Context, hash common.Hash) map[string]any {
	v, release := a.read(ctx, "eth_getTransactionByHash")
	defer release()
	if v.hidesTransaction(hash) {
		return nil
	}
	if r := a.c.mined(hash); r != nil {
		return transactionJSON(r, true)
	}
	if r := a.c.waiting(&v, hash); r != nil {
		return transactionJSON(r, false)
	}
	return nil
}

// GetTransactionCount is the account's next nonce of key 0.
func (a *api) GetTransactionCount(
	ctx context.Context, account common.Address, at *rpc.BlockNumberOrHash,
) (hexutil.Uint64, error) {
	_, release := a.read(ctx, "eth_getTransactionCount")
	defer release()
	back, err := a.c.stateAt(at)
	if err != nil {
		return 0, err
	}
	defer back()
	return hexutil.Uint64(a.c.state.nonces[nonceOf{account: account}]), nil
}

// GetCode is one byte for what can be called and nothing for the rest.
func (a *api) GetCode(ctx context.Context, at common.Address, block *rpc.BlockNumberOrHash) (hexutil.Bytes, error) {
	_, release := a.read(ctx, "eth_getCode")
	defer release()
	back, err := a.c.stateAt(block)
	if err != nil {
		return nil, err
	}
	defer back()
	if _, token := a.c.state.tokens[at]; token || at == ReserveAddress || at == a.c.cfg.StreamChannel {
		return hexutil.Bytes{0xef}, nil
	}
	return hexutil.Bytes{}, nil
}

// GetBlockByNumber has hashes for transactions whatever full says.
func (a *api) GetBlockByNumber(ctx context.Context, number rpc.BlockNumber, _ bool) (map[string]any, error) {
	_, release := a.read(ctx, "eth_getBlockByNumber")
	defer release()
	b := a.c.blockAt(number)
	if b == nil {
		return nil, nil // a block that is not there is null
	}
	return blockJSON(b, a.c.cfg.BaseFee), nil
}

// GetBlockByHash is GetBlockByNumber for a hash.
func (a *api) GetBlockByHash(ctx context.Context, hash common.Hash, _ bool) (map[string]any, error) {
	_, release := a.read(ctx, "eth_getBlockByHash")
	defer release()
	b := a.c.blockByHash(hash)
	if b == nil {
		return nil, nil // a block that is not there is null
	}
	return blockJSON(b, a.c.cfg.BaseFee), nil
}

// blockAt finds a block by number or tag, or nil. The caller holds c.mu.
func (c *Chain) blockAt(number rpc.BlockNumber) *block {
	switch {
	case number == rpc.EarliestBlockNumber:
		return c.blocks[0]
	case number < 0: // latest, pending, safe and finalized are one and the same here
		return c.head()
	case int64(number) < int64(len(c.blocks)):
		return c.blocks[number]
	default:
		return nil
	}
}

// blockByHash finds a block, or nil. The caller holds c.mu.
func (c *Chain) blockByHash(hash common.Hash) *block {
	for i := len(c.blocks) - 1; i >= 0; i-- {
		if c.blocks[i].hash == hash {
			return c.blocks[i]
		}
	}
	return nil
}

// blockJSON has every field of a header, so that ordinary clients can read it.
func blockJSON(b *block, baseFee uint64) map[string]any {
	txs, gas := []common.Hash{}, uint64(0)
	if b.receipt != nil {
		txs, gas = append(txs, b.receipt.TxHash), b.receipt.GasUsed
	}
	return map[string]any{
		"number": hexutil.Uint64(b.number), "hash": b.hash, "parentHash": b.parent,
		"timestamp": hexutil.Uint64(b.time), "baseFeePerGas": hexutil.Uint64(baseFee),
		"gasLimit": hexutil.Uint64(blockGasLimit), "gasUsed": hexutil.Uint64(gas),
		"transactions": txs, "uncles": []common.Hash{}, "miner": common.Address{}, "size": hexutil.Uint64(0),
		"difficulty": hexutil.Uint64(0), "extraData": hexutil.Bytes{}, "nonce": types.BlockNonce{}, "mixHash": common.Hash{},
		"logsBloom": types.Bloom{}, "sha3Uncles": types.EmptyUncleHash, "stateRoot": common.Hash{},
		"transactionsRoot": types.EmptyTxsHash, "receiptsRoot": types.EmptyReceiptsHash,
	}
}

// transactionJSON is a transaction, with its block if it is mined. What it calls is left out.
func transactionJSON(r *Receipt, mined bool) map[string]any {
	out := map[string]any{
		"type": hexutil.Uint64(typeTempo), "hash": r.TxHash, "from": r.From, "to": r.To, "feePayer": r.FeePayer,
		"feeToken": r.FeeToken, "blockHash": nil, "blockNumber": nil, "transactionIndex": nil,
	}
	if mined {
		out["blockHash"], out["blockNumber"] = r.BlockHash, hexutil.Uint64(r.BlockNumber)
		out["transactionIndex"] = hexutil.Uint64(0)
	}
	return out
}

func receiptJSON(r *Receipt) map[string]any {
	status := hexutil.Uint64(0)
	if r.Success {
		status = 1
	}
	return map[string]any{
		"type": hexutil.Uint64(typeTempo), "status": status, "transactionHash": r.TxHash, "transactionIndex": hexutil.Uint64(0),
		"blockHash": r.BlockHash, "blockNumber": hexutil.Uint64(r.BlockNumber), "from": r.From, "to": r.To, "contractAddress": nil,
		"gasUsed": hexutil.Uint64(r.GasUsed), "cumulativeGasUsed": hexutil.Uint64(r.GasUsed), "effectiveGasPrice": (*hexutil.Big)(r.GasPrice),
		"feePayer": r.FeePayer, "feeToken": r.FeeToken, "logs": r.Logs, "logsBloom": types.CreateBloom(&types.Receipt{Logs: r.Logs}),
	}
}
