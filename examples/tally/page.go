package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/bill"
	"github.com/seed-5fe1f529/tallystick/internal/safefile"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/store/records"
)

// page writes the page of `tally ledger --html`. It is made as a whole before the file is touched.
func (b *books) page(ctx context.Context) (err error) {
	p := &wallet{dir: b.wallet.dir, keyless: true}
	limits := pflag.NewFlagSet("", pflag.ContinueOnError)
	p.limitFlags(limits)
	if err := fromEnv(limits, b.env, settings...); err != nil {
		return err
	}
	ctx, err = b.rules.lower(ctx, b.env, limits, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err := p.look(ctx, b.world); err != nil {
		return err
	}
	b.wallet.dir = p.dir
	var text bytes.Buffer
	if err := b.collect(ctx, p, &text); err != nil {
		return err
	}
	if b.html == "-" {
		_, err = b.stdout.Write(text.Bytes())
	} else {
		err = replace(b.html, p.dir, text.Bytes())
	}
	if err != nil {
		return fail(exitWrite, fmt.Errorf("--html: %w", err))
	}
	return nil
}

// collect makes the page of the store of p.
func (b *books) collect(ctx context.Context, p *wallet, to io.Writer) error {
	out := bill.New(time.Now(), func(a channel.Asset) channel.Currency { return b.currencyOf(a.ChainID, a.Token) })
	var bad error
	for c, err := range records.Channels(ctx, p.files) {
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		out.Channel(c)
	}
	if bad != nil {
		return fail(exitState, bad)
	}
	all, err := p.budgets(ctx, b.world)
	var limit *channel.LimitError
	switch {
	case errors.As(err, &limit):
		return err
	case err != nil:
		return fail(exitState, err)
	}
	for _, one := range all {
		for _, room := range one.rooms {
			out.Budget(one.currency, room)
		}
	}
	if err := b.each(ctx, func(e journal.Entry) error { out.Entry(e); return nil }); err != nil {
		return err
	}
	return out.Write(to)
}

// replace puts text in place of what a regular file holds, or makes the file, for its owner only. A file in the store
// is not touched: it may be a record.
func replace(path, store string, text []byte) error {
	inside, err := among(path, store)
	if err != nil {
		return err
	}
	if inside {
		return errors.New("the file would be among the records: choose another directory")
	}
	f, _, err := safefile.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(text)
	}
	return errors.Join(err, f.Close())
}

// among reports whether the file at path is in dir, whatever links lead there.
func among(path, dir string) (bool, error) {
	path, err := linked(path)
	if err != nil {
		return false, err
	}
	in, err := parent(path)
	if err != nil {
		return false, err
	}
	top, err := os.Stat(dir)
	if err != nil {
		return false, err
	}
	if in, err = filepath.Abs(in); err != nil {
		return false, err
	}
	for {
		info, err := os.Stat(in)
		if err != nil {
			return false, err
		}
		if os.SameFile(info, top) {
			return true, nil
		}
		up := filepath.Dir(in)
		if up == in {
			return false, nil
		}
		in = up
	}
}
