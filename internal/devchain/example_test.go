package devchain_test

import (
	"fmt"
	"net/http/httptest"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"github.com/seed-5fe1f529/tallystick/internal/devchain"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func Example() {
	chain := devchain.New(devchain.Config{})
	defer chain.Close()
	server := httptest.NewServer(chain.Handler())
	defer server.Close()

	alice, _ := crypto.HexToECDSA("00000000000000000000000000000000000000000000000000000000000000a1")
	bob, _ := crypto.HexToECDSA("00000000000000000000000000000000000000000000000000000000000000b0")
	chain.Mint(devchain.PathUSD, crypto.PubkeyToAddress(alice.PublicKey), voucher.Units(1_000_000))
	receipt, err := chain.Transfer(alice, devchain.PathUSD, crypto.PubkeyToAddress(bob.PublicKey), voucher.Units(250_000))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := rpc.Dial(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	var seen struct{ Status, BlockNumber string }
	err = client.Call(&seen, "eth_getTransactionReceipt", receipt.TxHash)
	fmt.Println(seen.Status, seen.BlockNumber, err)
	fmt.Println("Bob has", chain.Balance(devchain.PathUSD, crypto.PubkeyToAddress(bob.PublicKey)))
	fmt.Println("the books:", chain.CheckSupply())
	// Output:
	// 0x1 0x1 <nil>
	// Bob has 250000
	// the books: <nil>
}
