package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// curl runs curl, if it is installed.
func (s *shell) curl(args ...string) (e ended, ok bool) {
	s.t.Helper()
	path, err := exec.LookPath("curl")
	if err != nil {
		return e, false
	}
	cmd := exec.CommandContext(s.ctx, path, append([]string{"-q", "-sS"}, args...)...)
	cmd.Stdin = strings.NewReader(s.in)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // its status is compared
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, true
}

// mirror answers with what it was sent, the boundary of a form and the name of the program left out.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	text := fmt.Sprintf("%s %s %d\n", r.Method, r.RequestURI, r.ContentLength)
	for _, name := range []string{"Accept", "Authorization", "Content-Type", "Cookie", "Referer", "User-Agent", "X-A", "X-B"} {
		if values, ok := r.Header[name]; ok {
			text += fmt.Sprintf("%s: %q\n", name, values)
		}
	}
	text = regexp.MustCompile(`curl/[0-9.]+`).ReplaceAllString(text+string(body), "tally")
	if found := regexp.MustCompile(`boundary=([^"]+)`).FindStringSubmatch(text); found != nil {
		text = strings.ReplaceAll(text, found[1], "BOUNDARY")
	}
	text = regexp.MustCompile(`^(POST /m) \d+\n(.*\n)(Content-Type: ."multipart)`).ReplaceAllString(text, "$1 N\n$2$3")
	w.Header().Set("Location", "/elsewhere")
	_, _ = io.WriteString(w, text)
}

// TestSentAsByCurl: each flag about the request sends what curl sends. Where curl is installed it is asked.
func TestSentAsByCurl(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.srv.Handle("/m", http.HandlerFunc(mirror))
	s.srv.Handle("/m/", http.HandlerFunc(mirror))
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	lines := write("lines.txt", "a b\r\nc=d&\n")
	binary := write("binary", "a\r\n\x00b\xff\n")
	heads := write("heads", "X-A: 1\nX-B: 2\n")
	config := write("config", "# flags\nrequest = PUT\nuser-agent \"my \\\"agent\\\"\"\n--header \"X-A: from a file\"\ndata=x\n-H \"X-B: short\"\n\nget\n")
	s.in = "one\ntwo\n"
	const (
		ua     = "User-Agent: [\"tally\"]\n"
		accept = "Accept: [\"*/*\"]\n"
		form   = "Content-Type: [\"application/x-www-form-urlencoded\"]\n"
	)
	part := func(head, body string) string {
		return "--BOUNDARY\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + body + "\r\n"
	}
	multi := func(parts ...string) string {
		return accept + "Content-Type: [\"multipart/form-data; boundary=BOUNDARY\"]\n" + ua + strings.Join(parts, "") + "--BOUNDARY--\r\n"
	}
	for name, one := range map[string]struct {
		path string // "" is /m
		args []string
		want string
	}{
		"nothing":           {want: "GET /m 0\n" + accept + ua},
		"-X":                {args: []string{"-X", "DELETE"}, want: "DELETE /m 0\n" + accept + ua},
		"-XP":               {args: []string{"-XPATCH"}, want: "PATCH /m 0\n" + accept + ua},
		"-d":                {args: []string{"-d", "a=1", "-d", "b=2"}, want: "POST /m 7\n" + accept + form + ua + "a=1&b=2"},
		"-d, empty":         {args: []string{"-d", ""}, want: "POST /m 0\n" + accept + form + ua},
		"-d @":              {args: []string{"-X", "PUT", "-d", "@" + lines}, want: "PUT /m 7\n" + accept + form + ua + "a bc=d&"},
		"-d @-":             {args: []string{"-d", "@-"}, want: "POST /m 6\n" + accept + form + ua + "onetwo"},
		"-d -":              {args: []string{"-d", "-"}, want: "POST /m 1\n" + accept + form + ua + "-"},
		"--data-raw":        {args: []string{"--data-raw", "@x"}, want: "POST /m 2\n" + accept + form + ua + "@x"},
		"--data-binary":     {args: []string{"--data-binary", "@" + binary, "-d", "e"}, want: "POST /m 9\n" + accept + form + ua + "a\r\n\x00b\xff\n&e"},
		"--data-binary @-":  {args: []string{"--data-binary", "@-"}, want: "POST /m 8\n" + accept + form + ua + "one\ntwo\n"},
		"--data-urlencode":  {args: []string{"--data-urlencode", "a b", "--data-urlencode", "=c/", "--data-urlencode", "n=d&é~"}, want: "POST /m 22\n" + accept + form + ua + "a+b&c%2F&n=d%26%C3%A9~"},
		"--data-urlencode@": {args: []string{"--data-urlencode", "n@" + lines}, want: "POST /m 22\n" + accept + form + ua + "n=a+b%0D%0Ac%3Dd%26%0A"},
		"--json": {args: []string{"--json", `{"a":`, "--json", "1}"}, want: "POST /m 7\nAccept: [\"application/json\"]\nContent-Type: [\"application/json\"]\n" +
			ua + `{"a":1}`},
		"--json, another type": {args: []string{"--json", `1`, "-H", "Content-Type: text/x"}, want: "POST /m 1\nAccept: [\"application/json\"]\nContent-Type: [\"text/x\"]\n" + ua + "1"},
		"-F": {args: []string{"-F", "a=1;type=text/x", "-F", `b="x;y"`, "-F", "c=@" + lines + ";filename=f\"g", "-F", "d=<" + lines}, want: "POST /m N\n" + multi(
			part("name=\"a\"\r\nContent-Type: text/x", "1"), part(`name="b"`, "x;y"),
			part("name=\"c\"; filename=\"f%22g\"\r\nContent-Type: text/plain", "a b\r\nc=d&\n"),
			part(`name="d"`, "a b\r\nc=d&\n"))},
		"-F @":             {args: []string{"-F", "c=@" + lines}, want: "POST /m N\n" + multi(part("name=\"c\"; filename=\"lines.txt\"\r\nContent-Type: text/plain", "a b\r\nc=d&\n"))},
		"--form-string":    {args: []string{"--form-string", "a=@b;c"}, want: "POST /m N\n" + multi(part(`name="a"`, "@b;c"))},
		"-T":               {args: []string{"-T", binary}, want: "PUT /m 7\n" + accept + ua + "a\r\n\x00b\xff\n"},
		"-T, in a place":   {path: "/m/", args: []string{"-T", lines}, want: "PUT /m/lines.txt 10\n" + accept + ua + "a b\r\nc=d&\n"},
		"-T -":             {args: []string{"-T", "-"}, want: "PUT /m -1\n" + accept + ua + "one\ntwo\n"},
		"-G":               {path: "/m?q=0", args: []string{"-G", "-d", "a=1", "--data-urlencode", "b=x y"}, want: "GET /m?q=0&a=1&b=x+y 0\n" + accept + ua},
		"-H":               {args: []string{"-H", "x-a: 1", "-H", "X-A: 2", "-H", "Accept:", "-H", "X-B;"}, want: "GET /m 0\n" + ua + "X-A: [\"1\" \"2\"]\nX-B: [\"\"]\n"},
		"-H @":             {args: []string{"-H", "@" + heads}, want: "GET /m 0\n" + accept + ua + "X-A: [\"1\"]\nX-B: [\"2\"]\n"},
		"-A":               {args: []string{"-A", "me"}, want: "GET /m 0\n" + accept + "User-Agent: [\"me\"]\n"},
		"-A, empty":        {args: []string{"-A", ""}, want: "GET /m 0\n" + accept},
		"-e":               {args: []string{"-e", "http://from/"}, want: "GET /m 0\n" + accept + "Referer: [\"http://from/\"]\n" + ua},
		"-u":               {args: []string{"-u", "me:pw:x"}, want: "GET /m 0\n" + accept + "Authorization: [\"Basic bWU6cHc6eA==\"]\n" + ua},
		"-b":               {args: []string{"-b", "a=1; b=2"}, want: "GET /m 0\n" + accept + "Cookie: [\"a=1; b=2\"]\n" + ua},
		"-K":               {args: []string{"-K", config}, want: "PUT /m?x 0\n" + accept + "User-Agent: [\"my \\\"agent\\\"\"]\nX-A: [\"from a file\"]\nX-B: [\"short\"]\n"},
		"-I":               {args: []string{"-I", "-w", "%{size_download}", "-o", os.DevNull}, want: "0"},
		"bundled":          {args: []string{"-sSLXPOST", "-o-"}, want: "POST /m 0\n" + accept + ua},
		"one for the body": {args: []string{"-d", "x", "-T", lines}, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			args := slices.Concat(one.args, []string{s.srv.URL + cmp.Or(one.path, "/m")})
			e := s.run(args...)
			assert.Equal(t, one.want, e.stdout, e.stderr)
			if c, ok := s.curl(args...); ok {
				assert.Equal(t, ended{c.code, c.stdout, ""}, ended{e.code, e.stdout, ""}, c.stderr)
			}
		})
	}
}

// TestWrittenAsByCurl: each flag about the output writes what curl writes.
func TestWrittenAsByCurl(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	handle := func(path string, do http.HandlerFunc) { s.srv.Handle(path, do) }
	handle("/plain", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x00plain\r\n") })
	handle("/bad", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) })
	handle("/zip", func(w http.ResponseWriter, r *http.Request) {
		var b bytes.Buffer
		z := io.WriteCloser(gzip.NewWriter(&b))
		if r.URL.RawQuery != "" {
			z = zlib.NewWriter(&b)
		}
		_, _ = io.WriteString(z, "zipped "+r.Header.Get("Accept-Encoding")[:7])
		_ = z.Close()
		w.Header().Set("Content-Encoding", cmp.Or(r.URL.RawQuery, "gzip"))
		_, _ = w.Write(b.Bytes())
	})
	handle("/strange", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "rot13")
		_, _ = io.WriteString(w, "x")
	})
	handle("/to", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/from", http.StatusFound) })
	handle("/from", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q %q", r.Header["Authorization"], r.Header["Referer"], r.Header["Cookie"])
	})
	handle("/jar", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "new", Value: "1"})
		http.Redirect(w, r, "/from", http.StatusFound)
	})
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%q %q %q", r.Header["Authorization"], r.Header["Cookie"], r.Header["X-A"])
	}))
	defer other.Close()
	handle("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	host, port, err := net.SplitHostPort(strings.TrimPrefix(s.srv.URL, "http://"))
	require.NoError(t, err)
	dir := t.TempDir()
	t.Chdir(dir)
	jar := filepath.Join(dir, "jar")
	require.NoError(t, os.WriteFile(jar, []byte("# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\told\t2\nelsewhere.example\tFALSE\t/\tFALSE\t0\tno\t3\n"), 0o600))
	type files map[string]string
	for name, one := range map[string]struct {
		args   []string
		path   string
		code   int
		stdout string
		files  files
		ours   bool // curl does otherwise: it is said why
	}{
		"-o":                  {args: []string{"-o", "out"}, path: "/plain", files: files{"out": "\x00plain\r\n"}},
		"-o -":                {args: []string{"-o", "-"}, path: "/plain", stdout: "\x00plain\r\n"},
		"-O":                  {args: []string{"-O"}, path: "/plain?x=/y", files: files{"plain": "\x00plain\r\n"}},
		"-O, no name":         {args: []string{"-O"}, path: "/", code: exitWrite},
		"-f":                  {args: []string{"-f"}, path: "/bad", code: exitHTTP},
		"--fail-with-body":    {args: []string{"--fail-with-body"}, path: "/bad", code: exitHTTP, stdout: "no\n"},
		"-s":                  {args: []string{"-s"}, path: "/bad", stdout: "no\n"},
		"-D":                  {args: []string{"-D", "heads", "-o", "out2"}, path: "/bad", files: files{"out2": "no\n"}},
		"--compressed":        {args: []string{"--compressed"}, path: "/zip"},
		"--compressed, other": {args: []string{"--compressed"}, path: "/zip?deflate"},
		"--compressed, none":  {args: []string{"--compressed"}, path: "/plain", stdout: "\x00plain\r\n"},
		"a strange coding":    {args: []string{"--compressed"}, path: "/strange", stdout: "x", code: exitEncoding, ours: true},
		"no -L":               {args: []string{"-w", "%{http_code} %{redirect_url}", "-o", os.DevNull}, path: "/to", stdout: "302 " + s.srv.URL + "/from"},
		"-L":                  {args: []string{"-L", "-u", "a:b"}, path: "/to", stdout: `["Basic YTpi"] [] []`},
		"-L -e ;auto":         {args: []string{"-L", "-e", ";auto"}, path: "/to", stdout: `[] ["` + s.srv.URL + `/to"] []`},
		"-L -e":               {args: []string{"-L", "-e", "http://x/"}, path: "/to", stdout: `[] ["http://x/"] []`},
		"-L, another origin":  {args: []string{"-L", "-u", "a:b", "-b", "c=d", "-H", "X-A: 1"}, path: "/away", stdout: `[] [] ["1"]`, ours: true}, // curl sends the cookie to another port
		"-L, secrets of -H":   {args: []string{"-L", "-H", "Authorization: t", "-H", "Cookie: c=d", "-H", "X-A: key"}, path: "/away", stdout: `[] [] ["key"]`, ours: true},
		"--max-redirs 0":      {args: []string{"-L", "--max-redirs", "0"}, path: "/to", code: exitRedirects},
		"--max-redirs -1":     {args: []string{"-L", "--max-redirs", "-1", "-w", " %{num_redirects}"}, path: "/to", stdout: "[] [] [] 1"},
		"-b FILE":             {args: []string{"-L", "-b", jar}, path: "/jar", stdout: `[] [] ["old=2; new=1"]`, ours: true}, // another order
		"-w": {
			args: []string{"-o", os.DevNull, "-w", `%{method} %{response_code} %{size_download} %{scheme} %{http_version} %{remote_ip} %{remote_port} %{exitcode}%{errormsg} %% \t%header{content-type}%{content_type} %{url_effective} %{num_retries}\n`}, path: "/bad",
			stdout: "GET 418 3 http 1.1 " + host + " " + port + " 0 % \ttext/plain; charset=utf-8text/plain; charset=utf-8 " + s.srv.URL + "/bad 0\n", ours: true, // versions of curl write the scheme in capitals
		},
		"--resolve":   {args: []string{"--resolve", "a.example:" + port + ":" + host}, path: "http://a.example:" + port + "/plain", stdout: "\x00plain\r\n"},
		"--resolve x": {args: []string{"--resolve", "nonsense"}, path: "/plain", code: exitUsage, ours: true}, // 49
		"-x":          {args: []string{"-x", s.srv.URL}, path: "http://a.example/plain", stdout: "\x00plain\r\n"},
		"-x, no host": {args: []string{"-x", "no.invalid:1"}, path: "/plain", code: exitProxy},
		"-x, none":    {args: []string{"-x", ""}, path: "/plain", stdout: "\x00plain\r\n"},
		"--retry":     {args: []string{"--retry", "1", "--retry-delay", "0", "-f"}, path: "/bad", code: exitHTTP},
		"--version":   {args: []string{"--connect-timeout", "5", "-N"}, path: "/plain", stdout: "\x00plain\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			url := one.path
			if strings.HasPrefix(url, "/") {
				url = s.srv.URL + url
			}
			args := slices.Concat(one.args, []string{url})
			e := s.run(args...)
			assert.Equal(t, one.code, e.code, e.stderr)
			if strings.HasPrefix(name, "--compressed,") && one.stdout == "" || name == "--compressed" {
				assert.Regexp(t, "^zipped (gzip, d|deflate)", e.stdout)
			} else {
				assert.Equal(t, one.stdout, e.stdout, e.stderr)
			}
			for file, content := range one.files {
				got, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, content, string(got))
				require.NoError(t, os.Remove(file))
			}
			c, ok := s.curl(args...)
			if !ok || one.ours {
				return
			}
			assert.Equal(t, c.code, e.code, c.stderr)
			if strings.HasPrefix(name, "--compressed") {
				return // the order of the codings is curl's own
			}
			assert.Equal(t, c.stdout, e.stdout)
			for file, content := range one.files {
				got, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, content, string(got))
			}
		})
	}
	assert.Regexp(t, `^tally \S+ \(go`, s.ok("--version"))
	heads, err := os.ReadFile("heads")
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(heads), "HTTP/1.1 418 I'm a teapot\r\n"), string(heads))
}

// TestCookiesOfAFile go to the origin that was asked, and to no other port of its host.
func TestCookiesOfAFile(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	var here, there []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there = append(there, r.Header.Get("Cookie"))
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: "stranger", Path: "/"})
		http.Redirect(w, r, s.srv.URL+"/back", http.StatusFound)
	}))
	defer other.Close()
	answer := func(w http.ResponseWriter, r *http.Request) {
		here = append(here, r.Header.Get("Cookie"))
		if r.URL.Path == "/go" {
			http.Redirect(w, r, other.URL, http.StatusFound)
		}
	}
	s.srv.Handle("/go", http.HandlerFunc(answer))
	s.srv.Handle("/back", http.HandlerFunc(answer))
	file := filepath.Join(t.TempDir(), "cookies")
	require.NoError(t, os.WriteFile(file, []byte("127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tsecret\n"), 0o600))
	s.ok("-L", "-b", file, "/go")
	assert.Equal(t, []string{"sid=secret", "sid=secret"}, here)
	assert.Equal(t, []string{""}, there)
}

// TestNothingIsDecoded: an empty body, as after HEAD, is one in every coding.
func TestNothingIsDecoded(t *testing.T) {
	for _, coding := range []string{"", "gzip", "deflate", "br"} {
		f := &fetch{compressed: true}
		body, err := f.decoded(&http.Response{Header: http.Header{"Content-Encoding": {coding}}, Body: http.NoBody})
		require.NoError(t, err, coding)
		text, err := io.ReadAll(body)
		require.NoError(t, err, coding)
		assert.Empty(t, text)
	}
}
