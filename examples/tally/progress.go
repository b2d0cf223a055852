package main

import (
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// progress is stderr. At a terminal it has a last line that says what is being waited for, which each message takes the
// place of. Anywhere else it is stderr as it is.
type progress struct {
	to io.Writer

	mu    sync.Mutex // guards what follows, and to
	on    bool       // to is a terminal that can rewrite a line
	width int
	text  func() string // nil: nothing is waited for
	since time.Time
	over  string    // shown in place of text; empty: text is
	begun time.Time // over
	shown bool
	stop  chan struct{} // of the goroutine that draws; nil without one
	ended chan struct{}
}

// newProgress returns the progress of a program that writes its messages to stderr.
func newProgress(stderr io.Writer, env func(string) string) *progress {
	p := &progress{to: stderr}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && env("TERM") != "dumb" {
		p.on, p.width = true, 80
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			p.width = width
		}
	}
	return p
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	return p.to.Write(b)
}

// clear removes the line. The caller holds mu.
func (p *progress) clear() {
	if p.shown {
		p.shown = false
		_, _ = io.WriteString(p.to, "\r\x1b[K")
	}
}

// drawEvery is how often the line is drawn.
const drawEvery = 250 * time.Millisecond

// show shows what is being waited for, with the time that it takes, until hide.
func (p *progress) show(text func() string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on {
		return
	}
	if p.text == nil {
		p.since = time.Now()
	}
	p.text = text
	p.begin()
}

// begin draws the line, and has it drawn again until end. The caller holds mu.
func (p *progress) begin() {
	p.draw()
	if p.stop == nil {
		p.stop, p.ended = make(chan struct{}), make(chan struct{})
		go p.redraw(p.stop, p.ended)
	}
}

// put shows a text over what show shows, until take or hide.
func (p *progress) put(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on {
		p.over, p.begun = text, time.Now()
		p.begin()
	}
}

// take ends what put began, and shows what was there before.
func (p *progress) take() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.over = ""
	p.draw()
}

// off ends all that is shown: what follows is on the terminal itself.
func (p *progress) off() {
	p.hide()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = false
}

func (p *progress) redraw(stop, ended chan struct{}) {
	defer close(ended)
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
		case <-stop:
			return
		}
	}
}

// draw draws the line. The caller holds mu.
func (p *progress) draw() {
	text, since := p.over, p.begun
	switch {
	case text != "":
	case p.text == nil:
		return
	default:
		text, since = p.text(), p.since
	}
	line := "  " + inline(text)
	if d := time.Since(since).Truncate(time.Second); d > 0 {
		line += ", " + d.String()
	}
	if utf8.RuneCountInString(line) >= p.width {
		line = string([]rune(line)[:p.width-1])
	}
	p.shown = true
	_, _ = io.WriteString(p.to, "\r\x1b[K"+line)
}

// say is show with a text that does not change.
func (p *progress) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.show(func() string { return text })
}

// hide ends what show began.
func (p *progress) hide() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.text, p.over = nil, ""
}

// end ends the drawing.
func (p *progress) end() {
	p.hide()
	p.mu.Lock()
	stop, ended := p.stop, p.ended
	p.stop = nil
	p.mu.Unlock()
	if stop != nil {
		close(stop)
		<-ended
	}
}

// waitsFor shows what an event begins, and hides what it ends.
func (f *fetch) waitsFor(e client.Event) {
	if f.quiet || f.verbose {
		return
	}
	switch e.Kind {
	case client.EventOpening:
		f.progress.say("opening a channel with %s", speaker{f.currency}.amount(e.Deposit))
	case client.EventToppingUp:
		f.progress.put("topping up the channel to " + speaker{f.currency}.amount(e.Deposit))
	case client.EventToppedUp:
		f.progress.take()
	case client.EventOpened, client.EventPaid, client.EventRefused:
		f.progress.hide()
	}
}

// streaming shows what a stream costs while it is read. It shows nothing where the stream itself is on the terminal.
func (f *fetch) streaming(out *output, resp *http.Response) {
	paid := f.known.payment
	here := out.file == nil && screenOf(f.world) != (screen{})
	stream := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
	if here && stream {
		f.progress.off()
	}
	if f.quiet || f.verbose || here || !stream || paid == nil || paid.Cost().IsZero() {
		return
	}
	start, most, say := time.Now(), f.wallet.limits.Stream, speaker{f.currency}
	f.progress.show(func() string { return streamed(say, paid.Cost(), most, time.Since(start)) })
}

// streamed says what a stream has cost, in a time.
func streamed(say speaker, cost, most voucher.Amount, d time.Duration) string {
	var b strings.Builder
	b.WriteString("streaming: " + say.amount(cost) + " so far")
	if n := int64(d / time.Second); n > 0 {
		rate := new(big.Int).Div(cost.Big(), big.NewInt(n))
		if a, err := voucher.ParseAmount(rate.String()); err == nil {
			b.WriteString(", " + say.number(a) + " a second")
		}
	}
	if !most.IsZero() {
		b.WriteString(", " + say.number(most.SubFloor(cost)) + " left")
	}
	return b.String()
}
