//go:build unix

package bill

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/testrun"
	"github.com/seed-5fe1f529/tallystick/store/journal"
)

// TestBrowser shows the page in headless Chromium: narrow and wide, light and dark. install.sh installs the browser. The
// pictures are kept by go test -artifacts.
func TestBrowser(t *testing.T) {
	program, err := exec.LookPath("chromium")
	testrun.NeedPeer(t, err)
	hostile := sample()
	for _, text := range []string{
		`"><script>document.title='taken'</script>`, `</style><img src="http://127.0.0.1:9/x">`, strings.Repeat("W", 300),
	} {
		e := line(1, text, 100, noonOfThe30th)
		e.Problem, e.Kind = text, journal.Kind(text)
		hostile.Entry(e)
	}
	dir := t.TempDir()
	b := launch(t, program)
	for name, book := range map[string]*Book{"sample": sample(), "hostile": hostile, "empty": New(noonOfThe30th, currency)} {
		file := filepath.Join(dir, name+".html")
		require.NoError(t, os.WriteFile(file, []byte(written(t, book)), 0o600))
		for _, width := range []int{360, 1200} {
			if width > 360 && name != "sample" {
				continue
			}
			for scheme, ground := range map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 27)"} {
				picture := fmt.Sprintf("%s-%d-%s.png", name, width, scheme)
				b.show(file, width, scheme)
				assert.Equal(t, ground, b.eval("getComputedStyle(document.body).backgroundColor"), "%s: the style applies", picture)
				assert.Equal(t, "What was paid 0", b.eval("document.title + ' ' + document.scripts.length"), picture)
				assert.Empty(t, b.eval(`[...document.querySelectorAll('main, main *')].filter(e => e.getBoundingClientRect().right >
					innerWidth + 1).map(e => e.outerHTML.slice(0, 100)).join('\n')`), "%s: it is within the width", picture)
				assert.Empty(t, b.eval(`[...document.querySelectorAll('main *')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 14)
					.map(e => e.tagName).join()`), "%s: small text", picture)
				if kept := flag.Lookup("test.artifacts"); kept != nil && kept.Value.String() == "true" {
					require.NoError(t, os.WriteFile(filepath.Join(t.ArtifactDir(), picture), b.picture(), 0o600))
				}
			}
		}
	}
	for _, e := range b.events {
		switch e.Method {
		case "Network.requestWillBeSent":
			assert.Contains(t, string(e.Params), `"url":"file:`+"//"+dir, "the page loads nothing else")
		case "Log.entryAdded", "Runtime.exceptionThrown", "Page.javascriptDialogOpening":
			t.Errorf("%s %s", e.Method, e.Params)
		}
	}
}

// browser is a Chromium that takes commands of the DevTools protocol from a pipe.
type browser struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	session string
	n       int
	events  []message
}

type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     json.RawMessage `json:"error,omitempty"`
}

// launch starts the browser, which ends with the test.
func launch(t *testing.T, program string) *browser {
	t.Helper()
	profile, err := os.MkdirTemp("", "bill")
	require.NoError(t, err)
	args := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + profile, "--no-first-run", "--disable-gpu", "--disable-extensions",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox") // it refuses to run as root with one
	}
	fromUs, in, err := os.Pipe()
	require.NoError(t, err)
	out, toUs, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(program, append(args, "about:blank")...)
	cmd.ExtraFiles = []*os.File{fromUs, toUs}
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = time.Minute
	require.NoError(t, cmd.Start())
	require.NoError(t, fromUs.Close())
	require.NoError(t, toUs.Close())
	b := &browser{t: t, in: in, out: bufio.NewReader(out)}
	hangs := time.AfterFunc(10*time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() {
		_ = in.Close() // it ends
		_ = out.Close()
		_ = cmd.Wait()
		hangs.Stop()
		if t.Failed() {
			t.Log(said.String())
		}
		_ = os.RemoveAll(profile) // a helper of the browser may still write to it
	})
	var target struct{ TargetID string }
	b.do("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.do("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Network", "Log", "Runtime"} {
		b.do(domain+".enable", nil, nil)
	}
	return b
}

// read reads one message. What is no answer is kept.
func (b *browser) read() message {
	text, err := b.out.ReadBytes(0)
	require.NoError(b.t, err, "the browser ended")
	var m message
	require.NoError(b.t, json.Unmarshal(text[:len(text)-1], &m))
	if m.ID == 0 {
		b.events = append(b.events, m)
	}
	return m
}

func (b *browser) do(method string, params map[string]any, result any) {
	b.n++
	text, err := json.Marshal(params)
	require.NoError(b.t, err)
	if params == nil {
		text = []byte("{}")
	}
	text, err = json.Marshal(message{ID: b.n, SessionID: b.session, Method: method, Params: text})
	require.NoError(b.t, err)
	_, err = b.in.Write(append(text, 0))
	require.NoError(b.t, err)
	for {
		m := b.read()
		if m.ID != b.n {
			continue
		}
		require.Empty(b.t, m.Error, method)
		if result != nil {
			require.NoError(b.t, json.Unmarshal(m.Result, result))
		}
		return
	}
}

// show loads a file and waits until it is loaded.
func (b *browser) show(file string, width int, scheme string) {
	b.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	before := len(b.events)
	b.do("Page.navigate", map[string]any{"url": "file://" + file}, nil)
	for {
		for ; before < len(b.events); before++ {
			if b.events[before].Method == "Page.loadEventFired" {
				return
			}
		}
		b.read()
	}
}

// eval returns what an expression of text is in the page.
func (b *browser) eval(expression string) string {
	var r struct{ Result struct{ Value string } }
	b.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	return r.Result.Value
}

// picture returns the whole page as a PNG.
func (b *browser) picture() []byte {
	var r struct{ Data string }
	b.do("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true}, &r)
	data, err := base64.StdEncoding.DecodeString(r.Data)
	require.NoError(b.t, err)
	return data
}
