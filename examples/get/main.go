// Get pays for one URL with a key, a node and a store of your own, and prints the bill. What it
// leaves in the store is what the command tally reads, with the same variables: tally channels.
//
//	export TALLY_KEY_FILE=key.hex TALLY_RPC_URL=https://rpc.moderato.tempo.xyz TALLY_STORE=$HOME/payer
//	go run ./examples/get https://api.example.com/data   # pay for it
//	go run ./examples/get close                          # close all channels: the rest comes back
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

// limits are what this program may spend, in base units: 1,000,000 are one token.
var limits = channel.Limits{
	Price:   voucher.Units(10_000),                        // 0.01 for a request, or for a piece of a stream
	Stream:  voucher.Units(100_000),                       // 0.10 for a whole stream
	Deposit: voucher.Units(500_000),                       // 0.50 in a channel
	Fund:    voucher.Units(100_000),                       // 0.10 in each opening and top-up
	All:     channel.Windows{Day: voucher.Units(250_000)}, // 0.25 in any 24 hours, to all payees
}

func main() {
	if err := run(context.Background(), os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string, env func(string) string, body, bill io.Writer) (err error) {
	if len(args) != 1 {
		return errors.New("usage: get URL, or get close")
	}
	key, err := readKey(env("TALLY_KEY_FILE"), env("TALLY_PASSWORD"))
	if err != nil {
		return fmt.Errorf("TALLY_KEY_FILE: %w", err)
	}
	chain, err := escrow.Dial(ctx, env("TALLY_RPC_URL"))
	if err != nil {
		return fmt.Errorf("TALLY_RPC_URL: %w", err)
	}
	defer chain.Close()
	dir := env("TALLY_STORE")
	if dir == "" {
		return errors.New("set TALLY_STORE to a directory that is not lost: deposits are recorded there")
	}
	files, err := filestore.Open(dir)
	if err != nil {
		return err
	}
	defer files.Close()
	lines, err := journal.Open(filepath.Join(dir, "journal"), 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lines.Close()) }()
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain, Store: files, Journal: lines, Limits: limits,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close(ctx)) }()

	if args[0] == "close" {
		return closeAll(ctx, session, bill)
	}
	return get(ctx, session, args[0], body, bill)
}

// readKey reads the key file: an encrypted one if there is a password, and otherwise hexadecimal digits.
func readKey(path, password string) (*voucher.KeySigner, error) {
	if password != "" {
		return keyfile.Load(path, password)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return voucher.ParseKey(strings.TrimSpace(string(text)))
}

// get pays for a URL, if it costs anything, and prints the bill.
func get(ctx context.Context, session *client.Session, url string, body, bill io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := session.Client().Do(req)
	if err != nil {
		return err // about a payment it is a *client.Error, which says what was signed and what to do
	}
	defer resp.Body.Close()
	if _, err := io.Copy(body, resp.Body); err != nil {
		return err
	}
	paid := client.PaymentOf(resp)
	if resp.StatusCode == http.StatusPaymentRequired {
		return fmt.Errorf("not paid: %w", errors.Join(errors.New(resp.Status), paid.Err))
	}
	fmt.Fprintf(bill, "outcome   %s\n", paid.Outcome)
	if paid.Outcome == client.OutcomeNone {
		return nil // it was free
	}
	info, err := session.Channels().Get(ctx, paid.ChannelID)
	if err != nil {
		return err
	}
	in := currency(info.ChainID, info.Descriptor.Token)
	fmt.Fprintf(bill, "cost      %s\n", in.Format(paid.Cost()))
	for _, fee := range paid.Fees() { // of openings and top-ups; what the chain charged may become known later
		fmt.Fprintf(bill, "fee       %s at most\n", currency(info.ChainID, fee.Token).Format(fee.Counted()))
	}
	if receipt := paid.Receipt(); receipt != nil {
		fmt.Fprintf(bill, "spent     %s of this channel so far, as the server reports it\n", in.Format(receipt.Spent))
	}
	fmt.Fprintf(bill, "channel   %s\n  deposit %s\n  signed  %s: the most that the server can take\n",
		info.ID, in.Format(info.Deposit), in.Format(info.Signed))
	return nil
}

// closeAll closes every channel. The server takes what was used, and the rest of the deposit is back.
func closeAll(ctx context.Context, session *client.Session, bill io.Writer) error {
	channels := session.Channels()
	var failed error
	for info, err := range channels.Live(ctx) {
		if err == nil && info.Phase == channel.Open {
			err = channels.Close(ctx, info.ID)
		}
		if err == nil {
			info, err = channels.Get(ctx, info.ID)
		}
		if err != nil {
			failed = errors.Join(failed, err) // Channels.RequestClose closes without the server
			continue
		}
		in := currency(info.ChainID, info.Descriptor.Token)
		fmt.Fprintf(bill, "%s %s: paid %s of %s\n", info.ID, info.Phase, in.Format(info.CloseAmount), in.Format(info.Deposit))
	}
	return failed
}

// currency is how amounts of a token are written: those of this program's limits are known dollars.
func currency(chain uint64, token common.Address) channel.Currency {
	known, _ := channel.Dollar(channel.Asset{ChainID: chain, Token: token})
	return known
}
