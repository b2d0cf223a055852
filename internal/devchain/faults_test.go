package devchain

import (
	"context"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRefuseNextSend(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	raw := hexutil.Bytes(newDraft(c, noCall).signed(payer.key))
	c.RefuseNextSend("the mempool is full")
	err := askError(t, client, "eth_sendRawTransaction", raw)
	require.ErrorContains(t, err, "the mempool is full")
	assert.Equal(t, -32003, codeOf(t, err))
	ask[common.Hash](t, client, "eth_sendRawTransaction", raw)
}

func TestLoseNextAnswer(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	for _, method := range []string{"eth_sendRawTransaction", "eth_sendRawTransactionSync"} {
		raw := hexutil.Bytes(newDraft(c, on(PathUSD, "name()")).with(fieldGas, rawUint(uint64(1_000_000+len(method)))).signed(payer.key))
		c.LoseNextAnswer()
		ask[hexutil.Uint64](t, client, "eth_chainId")
		err := askError(t, client, method, raw)
		assert.ErrorContains(t, err, "EOF", "no answer at all")
		assert.NotNil(t, ask[object](t, client, "eth_getTransactionReceipt", keccak(raw)), "but it was executed")
		require.ErrorContains(t, askError(t, client, method, raw), "already executed")
	}
}

func TestDelayNextSend(t *testing.T) {
	c := testChain(t)
	client := dial(t, c)
	raw := hexutil.Bytes(newDraft(c, noCall).signed(payer.key))
	c.DelayNextSend(20 * time.Millisecond)
	start := time.Now()
	ask[common.Hash](t, client, "eth_sendRawTransaction", raw)
	assert.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)

	other := hexutil.Bytes(newDraft(c, on(PathUSD, "name()")).signed(payer.key))
	c.DelayNextSend(time.Hour)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, client.CallContext(ctx, new(any), "eth_sendRawTransaction", other), context.DeadlineExceeded)
	assert.Nil(t, ask[object](t, client, "eth_getTransactionReceipt", keccak(other)), "the caller left before")
}
