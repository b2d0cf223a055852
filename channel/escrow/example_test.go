package escrow_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A channel from its opening to the way out that needs nobody's help.
func ExampleClient_Withdraw() {
	chain := devchain.New(devchain.Config{}) // a node would be at https://rpc.tempo.xyz
	defer chain.Close()
	server := httptest.NewServer(chain.Handler())
	defer server.Close()

	ctx := context.Background()
	payer, _ := voucher.ParseKey("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
	chain.Mint(escrow.PathUSD, payer.Address(), voucher.Units(10_000_000))

	node, err := escrow.Dial(ctx, server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()
	opening, err := node.PrepareOpen(ctx, escrow.OpenParams{
		Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve,
		Payer: payer, Payee: common.HexToAddress("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
		Token: escrow.PathUSD, Deposit: voucher.Units(2_000_000),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// Write the opening down, then hand opening.Raw to the payee, who sends it:
	_, _ = chain.SendRaw(opening.Raw)

	ref := escrow.Ref{Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve, ChannelID: opening.ChannelID}
	state, err := node.State(ctx, ref)
	fmt.Println("open:", state.Exists, state.Deposit, err)

	mine := escrow.CloseParams{Protocol: voucher.V2, ChainID: escrow.Moderato, Escrow: escrow.Reserve, Payer: payer, Descriptor: opening.Descriptor}
	receipt, err := node.RequestClose(ctx, mine)
	fmt.Println("requested:", receipt.Success, err)
	_, err = node.Withdraw(ctx, mine)
	fmt.Println(err)
	chain.Advance(15 * time.Minute)
	receipt, err = node.Withdraw(ctx, mine)
	fmt.Println("withdrawn:", receipt.Success, err)
	// Output:
	// open: true 2000000 <nil>
	// requested: true <nil>
	// escrow: the transaction would revert: CloseNotReady
	// withdrawn: true <nil>
}

// Several nodes of one chain: the next one is asked if one fails, and one that lags hides nothing.
// Dial sends nothing yet.
func ExampleDial() {
	node, err := escrow.Dial(context.Background(), "https://rpc.tempo.xyz", escrow.WithNodes("https://tempo.node.example/key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer node.Close()

	_, err = escrow.Dial(context.Background(), "rpc.tempo.xyz")
	fmt.Println(err)
	// Output: escrow: parameters refused: the RPC URL must be http:// or https:// with a host
}
