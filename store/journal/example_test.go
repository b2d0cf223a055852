package journal_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// A session with Config.Journal appends one line for each operation. Anybody may read them at any
// time: here the sums of a day.
func ExampleRead() {
	base, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(base)
	dir := filepath.Join(base, "journal")
	file, err := journal.Open(dir, 0)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	for _, price := range []uint64{100, 250} { // what a session does
		line := journal.Entry{
			Operation: "order-17", Kind: journal.KindPay, Origin: "https://api.example.com:443",
			Price: voucher.Units(price), Raised: voucher.Units(price), Outcome: "accepted",
		}
		if err := file.Append(context.Background(), line); err != nil {
			log.Fatal(err)
		}
	}

	var sums journal.Totals
	for line, err := range journal.Read(context.Background(), dir) {
		if err != nil {
			fmt.Println("a line cannot be read:", err)
			continue
		}
		fmt.Println(line.Operation, line.Kind, line.Price, line.Outcome)
		sums.Add(line)
	}
	fmt.Println("authorized", sums.Raised, "by", sums.Lines, "operations")
	// Output:
	// order-17 pay 100 accepted
	// order-17 pay 250 accepted
	// authorized 350 by 2 operations
}

// Fees are counted once for each transaction: with the most that it can be charged, until a line has what it was
// charged.
func ExampleTotals_Fees() {
	fee := journal.Fee{Token: common.HexToAddress("0x20c0000000000000000000000000000000000000"), Max: voucher.Units(16_500)}
	charged := fee
	charged.Charged, charged.Known = voucher.Units(12_200), true

	var totals journal.Totals
	totals.Add(journal.Entry{Kind: journal.KindOpen, Transaction: common.Hash{1}, Fee: fee})
	totals.Add(journal.Entry{Kind: journal.KindTopUp, Transaction: common.Hash{2}, Fee: fee})
	totals.Add(journal.Entry{Kind: journal.KindFee, Transaction: common.Hash{1}, Fee: charged})
	for transaction, f := range totals.Fees() {
		fmt.Println(transaction.Hex()[:4], f.Counted(), f.Known)
	}
	// Output:
	// 0x01 12200 true
	// 0x02 16500 false
}
