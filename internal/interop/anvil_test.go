package interop

import (
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
)

// anvil is a Tempo chain with a channel reserve: anvil, and a JSON-RPC proxy in front of it.
type anvil struct {
	*node        // the proxy
	up    *node  // anvil itself
	slot  uint64 // where the token keeps allowances
	bank  common.Address
	mu    sync.Mutex // guards known
	known map[common.Address]bool
}

func startAnvil(t testing.TB) *anvil {
	t.Helper()
	p := startPeer(t, "anvil.mjs", units(devchain.Moderato))
	var url string
	p.started(t, &url)
	a := &anvil{up: dial(t, url), known: map[common.Address]bool{}}
	proxy := httptest.NewServer(a)
	t.Cleanup(proxy.Close)
	a.node = dial(t, proxy.URL)

	code, err := os.ReadFile("rig/build/reserve.hex")
	require.NoError(t, err)
	require.NoError(t, a.up.call(nil, "anvil_setCode", devchain.ReserveAddress, "0x"+string(code)))
	var accounts []common.Address
	require.NoError(t, a.up.call(&accounts, "eth_accounts"))
	a.bank = accounts[0]
	a.findAllowances(t)
	return a
}

// fund sends tokens from an account that the chain starts with.
func (a *anvil) fund(t testing.TB, to common.Address, amount uint64) {
	t.Helper()
	var hash common.Hash
	data := hexutil.Bytes(pack("transfer(address,uint256)", to, amount))
	require.NoError(t, a.up.call(&hash, "eth_sendTransaction", map[string]any{"from": a.bank, "to": devchain.PathUSD, "data": data}))
	require.Equal(t, "0x1", a.up.mined(t, hash)["status"])
}

// advance moves the chain's clock. Those who go by the clock on the wall cannot send any more then.
func (a *anvil) advance(t testing.TB, d time.Duration) {
	t.Helper()
	require.NoError(t, a.up.call(nil, "evm_increaseTime", uint64(d/time.Second)))
	require.NoError(t, a.up.call(nil, "evm_mine"))
}
