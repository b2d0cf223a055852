package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/store/journal"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// play is the program that dies: a client of a user, and the pipe to the test.
type play struct {
	job
	flow    flow
	p       *pipe
	key     *voucher.KeySigner
	session *client.Session
	chain   *escrow.Client
	base    http.RoundTripper
	giveUp  func()        // ends the act under way
	closed  func()        // is called when a channel is closed
	gate    chan struct{} // while it is not nil, the chain is read when it is closed
	limited bool          // by limits over time
}

// beChild is the whole life of a child process.
func beChild(in io.Reader, out io.Writer) error {
	c := &play{p: newPipe(in, out)}
	if err := c.p.dec.Decode(&c.job); err != nil {
		return err
	}
	f, ok := flows[c.Flow]
	if !ok {
		return fmt.Errorf("crash: there is no flow %q", c.Flow)
	}
	c.flow = f
	ctx := context.Background()
	if c.Mount {
		if err := mountReadOnly(c.Dir); err != nil {
			return err
		}
	}
	c.limited = f.limited && (c.Heir || f.prelude == nil)
	if err := c.begin(ctx); err != nil {
		return err
	}
	if c.Heir {
		c.p.tell(note{Kind: kindBegin})
		c.inherit(ctx)
	} else {
		if f.prelude != nil {
			f.prelude(c, ctx)
			c.limited = f.limited
			if err := c.begin(ctx); err != nil {
				return err
			}
		}
		c.p.tell(note{Kind: kindBegin})
		f.act(c, ctx)
		if c.Stay {
			c.p.tell(note{Kind: kindStay})
			c.inherit(ctx)
		}
	}
	c.p.tell(note{Kind: kindDone})
	return nil
}

// begin makes a session as a program does that starts: all it knows is in the store.
func (c *play) begin(ctx context.Context) (err error) {
	if c.key, err = voucher.ParseKey(c.Key); err != nil {
		return err
	}
	plain := http.DefaultTransport.(*http.Transport).Clone()
	c.base = tellingTransport{plain, c.p, httpName}
	if c.chain, err = escrow.Dial(ctx, c.RPC, escrow.WithTransport(tellingTransport{plain, c.p, rpcName})); err != nil {
		return err
	}
	files, err := filestore.Open(c.Dir)
	if err != nil {
		return err
	}
	lines, err := journal.Open(c.Journal, 0)
	if err != nil {
		return err
	}
	torn := c.Dir
	if c.Crowded { // another writer may have its own file of this name there
		torn = ""
	}
	signer := tellingSigner{c.key, c.p}
	var windows channel.Windows
	if c.limited {
		windows.Hour = voucher.Units(50_000)
	}
	c.session, err = client.New(client.Config{
		FundAsNeeded: !c.flow.beside || c.Heir,
		Signer:       signer, Payer: signer, Chain: gatedChain{c.chain, c}, Base: c.base, Store: tellingStore{files, torn, c.p, func() { c.giveUp() }},
		Journal: tellingJournal{lines, c.p},
		Limits: channel.Limits{
			Price: voucher.Units(1_000), Deposit: voucher.Units(100_000), Total: voucher.Units(1_000_000), Stream: voucher.Units(10_000),
			Fund: voucher.Units(c.flow.fund), Ahead: voucher.Units(c.flow.ahead),
			All: windows, Origin: windows, Payee: windows,
		},
		Bootstrap: c.flow.bootstrap,
		OnEvent: func(e client.Event) {
			if e.Kind == client.EventClosed && c.closed != nil {
				c.closed()
			}
		},
	})
	return err
}

// act runs one thing that a user wants, and tells how it ended.
func (c *play) act(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, c.giveUp = context.WithCancel(ctx)
	defer c.giveUp()
	err := do(ctx)
	n := note{Kind: kindEnd, Name: name}
	if err != nil {
		n.Text = err.Error()
	}
	c.p.tell(n)
	return err
}

// get asks for one answer and wants it served.
func (c *play) get(ctx context.Context) error {
	return c.act(ctx, "get", func(ctx context.Context) error {
		c.p.tell(note{Kind: kindAsk, Amount: price})
		_, err := c.fetch(ctx, c.flow.data)
		return err
	})
}

// gatedChain lets a top-up beside requests wait for the requests, so that the points have one order.
type gatedChain struct {
	*escrow.Client
	c *play
}

func (g gatedChain) State(ctx context.Context, ref escrow.Ref) (escrow.State, error) {
	if gate := g.c.gate; gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return escrow.State{}, context.Cause(ctx)
		}
	}
	return g.Client.State(ctx, ref)
}

// topUpBeside makes two requests that leave little of the deposit, and ends the session, which waits for the
// top-up that the second has begun.
func (c *play) topUpBeside(ctx context.Context) {
	_ = c.act(ctx, "get", func(ctx context.Context) error {
		c.p.tell(note{Kind: kindAsk, Amount: price})
		if _, err := c.fetch(ctx, c.flow.data); err != nil {
			return err
		}
		c.gate = make(chan struct{})
		c.p.tell(note{Kind: kindAsk, Amount: price})
		_, err := c.fetch(ctx, c.flow.data)
		close(c.gate)
		return errors.Join(err, c.session.Close(ctx))
	})
}

// stream reads a stream of n pieces to its end.
func (c *play) stream(ctx context.Context, n int) error {
	return c.act(ctx, "stream", func(ctx context.Context) error {
		c.p.tell(note{Kind: kindAsk, Amount: piece}) // the parent counts the others as they are asked for
		_, err := c.fetch(ctx, fmt.Sprintf("%s?n=%d", c.flow.units, n))
		return err
	})
}

func (c *play) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.session.Client().Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	return body, err
}

// channels lists what is on record.
func (c *play) channels(ctx context.Context) (all []channel.Info) {
	for s, err := range c.session.Channels().All(ctx) {
		if err != nil {
			_ = c.act(ctx, "list", func(context.Context) error { return err })
			continue
		}
		all = append(all, s)
	}
	return all
}

// inherit is what a program does that starts again: it goes on, and at last it closes.
func (c *play) inherit(ctx context.Context) {
	if c.flow.finds {
		c.find(ctx)
	}
	if c.flow.imports {
		_ = c.takeIn(ctx)
	}
	if c.flow.keeps {
		c.sweep(ctx)
	}
	_ = c.get(ctx)
	_ = c.get(ctx)
	_ = c.stream(ctx, 2)
	c.p.tell(note{Kind: kindPaid})
	for _, s := range c.channels(ctx) {
		_ = c.act(ctx, "close", func(ctx context.Context) error { return c.end(ctx, s) })
	}
	if c.flow.keeps {
		c.sweep(ctx)
	}
}

// forget loses everything but the key, and a note of which channel there is.
func (c *play) forget(ctx context.Context) {
	_ = c.act(ctx, "forget", func(ctx context.Context) error {
		all := c.channels(ctx)
		if len(all) != 1 {
			return fmt.Errorf("%d channels, where there should be one", len(all))
		}
		s := all[0]
		text, err := json.Marshal(channel.Identity{
			Protocol: s.Protocol, ChainID: s.ChainID, Escrow: s.Escrow, ID: s.ID, Descriptor: s.Descriptor,
		})
		if err := errors.Join(err, os.WriteFile(c.identity(), text, 0o600), os.RemoveAll(c.Journal)); err != nil {
			return err
		}
		files, err := filepath.Glob(filepath.Join(c.Dir, "*.rec"))
		for _, file := range files {
			err = errors.Join(err, os.Remove(file))
		}
		c.p.tell(note{Kind: kindForget, Channel: s.ID})
		return err
	})
}

// identity is the file of that note.
func (c *play) identity() string { return c.Dir + ".identity" }

// takeIn imports the channel that was forgotten. Whoever is not sure that it came to an end does it again.
func (c *play) takeIn(ctx context.Context) error {
	return c.act(ctx, "import", func(ctx context.Context) error {
		text, err := os.ReadFile(c.identity())
		if err != nil {
			return err
		}
		var in channel.Identity
		if err := json.Unmarshal(text, &in); err != nil {
			return err
		}
		return c.session.Channels().Import(ctx, c.URL+c.flow.data, in)
	})
}

// find searches the chain for the channel that was forgotten.
func (c *play) find(ctx context.Context) {
	_ = c.act(ctx, "find", func(ctx context.Context) error {
		for _, err := range c.session.Channels().Find(ctx, false) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// sweepUntilDone waits for the money of channels whose close was requested.
func (c *play) sweepUntilDone(ctx context.Context) {
	_ = c.act(ctx, "sweep", c.session.Channels().SweepUntilDone)
}

// sweepForever sweeps until a channel is closed.
func (c *play) sweepForever(ctx context.Context) {
	_ = c.act(ctx, "sweep", func(ctx context.Context) error {
		until, enough := context.WithCancelCause(ctx)
		defer enough(nil)
		done := errors.New("a channel is closed")
		c.closed = func() { enough(done) }
		err := c.session.Channels().SweepForever(until)
		if errors.Is(err, done) {
			return nil
		}
		return err
	})
}

// sweep sweeps as a keeper does, with enough time on the chain between two passes.
func (c *play) sweep(ctx context.Context) {
	_ = c.act(ctx, "sweep", func(ctx context.Context) error {
		for range 6 {
			pending, _, err := c.session.Channels().Sweep(ctx)
			if err != nil || pending == 0 {
				return err
			}
			c.p.tell(note{Kind: kindAdvance})
		}
		return errors.New("there is always something pending")
	})
}

// requestClose closes a channel as far as the keeper needs it.
func (c *play) requestClose(ctx context.Context, id common.Hash) error {
	s, err := c.session.Channels().Sync(ctx, id)
	if err != nil || s.Phase == channel.Closed || s.Phase == channel.NotSeen || s.CloseRequestedAt != 0 {
		return err
	}
	return c.session.Channels().RequestClose(ctx, id)
}

// end brings a channel's money back, in the flow's way.
func (c *play) end(ctx context.Context, s channel.Info) error {
	if s.Phase == channel.Opening || s.Phase == channel.NotSeen { // it can no longer be mined after a while
		c.p.tell(note{Kind: kindAdvance})
		var err error
		if s, err = c.session.Channels().Sync(ctx, s.ID); err != nil {
			return err
		}
	}
	switch {
	case s.Phase == channel.Closed, s.Phase == channel.NotSeen: // the judge knows whether it ever was
		return nil
	case c.flow.keeps:
		return c.requestClose(ctx, s.ID)
	case c.flow.forced:
		return c.force(ctx, s)
	}
	return c.session.Channels().Close(ctx, s.ID)
}

// force closes without the payee, from wherever an earlier try has come to.
func (c *play) force(ctx context.Context, s channel.Info) error {
	s, err := c.session.Channels().Sync(ctx, s.ID)
	if err != nil || s.Phase == channel.Closed || s.Phase == channel.NotSeen {
		return err
	}
	if s.CloseRequestedAt == 0 {
		if err := c.session.Channels().RequestClose(ctx, s.ID); err != nil {
			return err
		}
	}
	c.p.tell(note{Kind: kindAdvance})
	return c.session.Channels().Withdraw(ctx, s.ID)
}

// shut closes the channels that hold money, as a user does who wants to.
func (c *play) shut(ctx context.Context) {
	for _, s := range c.channels(ctx) {
		if !s.HoldsMoney() || s.Phase == channel.NotSeen {
			continue
		}
		_ = c.act(ctx, "close", func(ctx context.Context) error {
			if c.flow.forced {
				return c.force(ctx, s)
			}
			return c.session.Channels().Close(ctx, s.ID)
		})
	}
	_ = c.act(ctx, "flush", func(ctx context.Context) error {
		return errors.Join(c.session.Close(ctx))
	})
}
