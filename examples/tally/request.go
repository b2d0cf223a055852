package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// request is what is sent: the flags about the method, the headers and the body.
type request struct {
	method         string
	data, form     []datum
	headers        []string
	upload         string
	agent, referer string
	user, cookie   string
	get, head      bool

	piped  *source // what stdin had, once it was read
	opened []io.Closer
	remove []string
}

func (r *request) requestFlags(f *pflag.FlagSet) {
	f.StringVarP(&r.method, "request", "X", "", "the `METHOD` (default: GET, or as the flags for the body say)")
	f.StringArrayVarP(&r.headers, "header", "H", nil,
		"send the header `LINE`: \"Name: value\"; \"Name:\" removes a default one, \"Name;\" is empty, @FILE has lines")
	f.VarP(dataFlag{"data", &r.data}, "data", "d",
		"POST `DATA`, several joined by &; @FILE sends a file without line ends, @- stdin")
	f.Var(dataFlag{"data-raw", &r.data}, "data-raw", "the same, and @ means nothing")
	f.Var(dataFlag{"data-binary", &r.data}, "data-binary", "the same as --data, and files byte for byte")
	f.Var(dataFlag{"data-urlencode", &r.data}, "data-urlencode",
		"the same, URL-encoded: content, =content, name=content, @FILE or name@FILE")
	f.Var(dataFlag{"json", &r.data}, "json", "POST `DATA` as JSON: --data-binary, with Content-Type and Accept")
	f.VarP(dataFlag{"form", &r.form}, "form", "F",
		"POST a multipart form: name=content, name=@FILE or name=<FILE, then ;type=… and ;filename=…")
	f.Var(dataFlag{"form-string", &r.form}, "form-string", "the same, and @, < and ; mean nothing")
	f.StringVarP(&r.upload, "upload-file", "T", "",
		"PUT `FILE`, which is not held in memory; - sends stdin while it comes")
	f.BoolVarP(&r.get, "get", "G", false, "put the data into the URL, and GET")
	f.BoolVarP(&r.head, "head", "I", false, "HEAD, and write the headers")
	f.StringVarP(&r.agent, "user-agent", "A", "tally", "send `TEXT` as User-Agent; empty: none")
	f.StringVarP(&r.referer, "referer", "e", "", "send `URL` as Referer; with ;auto redirects set it")
	f.StringVarP(&r.user, "user", "u", "",
		"Basic authentication as `NAME:PASSWORD`; without the colon the terminal is asked")
	f.StringVarP(&r.cookie, "cookie", "b", "",
		"send the cookies `TEXT`, name=value; or, without =, those of a file, and keep others")
}

// build makes the request. Its body can be sent again, after a 402.
func (r *request) build(ctx context.Context, rawurl string, w *world) (*http.Request, error) {
	u, err := target(rawurl)
	if err != nil {
		return nil, err
	}
	body, contentType, method, err := r.body(ctx, u, w.stdin)
	if err != nil {
		return nil, err
	}
	if r.head {
		method = http.MethodHead
	}
	if r.method != "" {
		method = r.method
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("the request cannot be made: %w", err))
	}
	req.Header.Set("Accept", "*/*")
	req.Header["User-Agent"] = []string{r.agent} // empty: net/http sends its own name otherwise
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if r.json() {
		req.Header.Set("Accept", "application/json")
	}
	if referer := strings.TrimSuffix(r.referer, ";auto"); referer != "" {
		req.Header.Set("Referer", referer)
	}
	if err := r.authenticate(ctx, req, w); err != nil {
		return nil, err
	}
	if strings.Contains(r.cookie, "=") {
		req.Header.Set("Cookie", r.cookie)
	}
	if body != nil {
		if err := carry(req, *body); err != nil {
			return nil, err
		}
	}
	return req, r.setHeaders(req)
}

// target reads a URL, of which the scheme may be left out: https.
func target(rawurl string) (*url.URL, error) {
	if !strings.Contains(rawurl, "://") {
		rawurl = "https://" + rawurl
	}
	u, err := url.Parse(rawurl)
	if err != nil || u.Host == "" {
		return nil, fail(exitURL, errors.New("the URL is malformed: write https://host/path"))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fail(exitScheme, fmt.Errorf("the scheme %q is not supported", u.Scheme))
	}
	return u, nil
}

// json reports whether the body was given as JSON.
func (r *request) json() bool { return len(r.data) > 0 && r.data[0].kind == "json" }

// body returns what is sent, nil for nothing, with its type and the method that goes with it.
func (r *request) body(ctx context.Context, u *url.URL, stdin io.Reader) (
	p *source, contentType, method string, err error,
) {
	data := len(r.data) > 0 && !r.get
	ways := 0
	for _, way := range []bool{data, len(r.form) > 0, r.upload != "", r.head} {
		if way {
			ways++
		}
	}
	if ways > 1 {
		return nil, "", "", fail(exitUsage,
			errors.New("of --data, --form, --upload-file and --head one can be used in a request"))
	}
	var one source
	switch {
	case r.upload != "":
		r.addName(u)
		one, err = r.uploaded(ctx, stdin)
		return &one, "", http.MethodPut, err
	case len(r.form) > 0:
		one, contentType, err = r.formed(ctx, stdin)
		return &one, contentType, http.MethodPost, err
	case data:
		contentType = "application/x-www-form-urlencoded"
		if r.json() {
			contentType = "application/json"
		}
		one, err = r.joinData(ctx, stdin)
		return &one, contentType, http.MethodPost, err
	case len(r.data) > 0:
		err = r.query(ctx, u, stdin)
	}
	return nil, "", http.MethodGet, err
}

// muchData is a body for which it is asked first whether it is wanted, in bytes, as curl does.
const muchData = 1 << 20

// carry makes a body that of a request.
func carry(req *http.Request, p source) (err error) {
	req.GetBody, req.ContentLength = p.open, p.size
	if p.size == 0 {
		req.Body, req.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
		return nil
	}
	if req.Body, err = p.open(); err != nil {
		return fail(exitRead, err)
	}
	if p.size < 0 || p.size > muchData {
		req.Header.Set("Expect", "100-continue")
	}
	return nil
}

// authenticate sets what -u says.
func (r *request) authenticate(ctx context.Context, req *http.Request, w *world) error {
	if r.user == "" {
		return nil
	}
	name, password, ok := strings.Cut(r.user, ":")
	if !ok {
		var err error
		if password, err = w.askPassword(ctx, "user "+name); err != nil {
			return fail(exitUsage, fmt.Errorf("--user: %w: write %s:PASSWORD", err, name))
		}
	}
	req.SetBasicAuth(name, password)
	return nil
}

// maxHeaders bounds a file of headers, in bytes.
const maxHeaders = 256 << 10

// lines are the header lines, with those of files.
func (r *request) lines() (all []string, err error) {
	for _, line := range r.headers {
		name, isFile := strings.CutPrefix(line, "@")
		if !isFile {
			all = append(all, line)
			continue
		}
		text, err := readSmall(name, maxHeaders)
		if err != nil {
			return nil, fail(exitRead, fmt.Errorf("--header: %w", err))
		}
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
			if s.Text() != "" {
				all = append(all, s.Text())
			}
		}
	}
	return all, nil
}

// readSmall reads a file that is at most so long.
func readSmall(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s is longer than %d KB", name, most>>10)
	}
	return text, err
}

func (r *request) setHeaders(req *http.Request) error {
	lines, err := r.lines()
	if err != nil {
		return err
	}
	replaced := map[string]bool{} // a header of the user's takes the place of a default
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		empty, isEmpty := strings.CutSuffix(line, ";")
		switch {
		case !ok && isEmpty:
			name = empty
		case !ok, strings.TrimSpace(name) == "":
			return fail(exitUsage, fmt.Errorf("--header: it is not \"Name: value\""))
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Host"):
			req.Host = value
		case value == "" && ok && strings.EqualFold(name, "User-Agent"):
			req.Header["User-Agent"] = []string{""} // net/http sends its own name otherwise
		case value == "" && ok:
			req.Header.Del(name)
		default:
			if key := http.CanonicalHeaderKey(name); !replaced[key] {
				req.Header.Del(key)
				replaced[key] = true
			}
			req.Header.Add(name, value)
		}
	}
	return nil
}
