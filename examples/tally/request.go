package main

import (
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

// request is what is sent: the flags -X, -d and -H.
type request struct {
	method  string
	data    []string
	headers []string
}

// maxData bounds what is sent, in bytes: it is held in memory.
const maxData = 256 << 20

func (r *request) requestFlags(f *pflag.FlagSet) {
	f.StringVarP(&r.method, "request", "X", "", "the `METHOD` (default: GET, or POST with -d)")
	f.StringArrayVarP(&r.data, "data", "d", nil, "send `DATA`; @FILE sends a file, - or @- stdin, byte for byte; several are joined by &")
	f.StringArrayVarP(&r.headers, "header", "H", nil, "send the header `LINE`: \"Name: value\"; \"Name:\" removes a default one")
}

// build makes the request. A body is held in memory, because it is sent again after a 402.
func (r *request) build(ctx context.Context, rawurl string, stdin io.Reader) (*http.Request, error) {
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
	var body io.Reader
	method := r.method
	if len(r.data) > 0 {
		text, err := await(ctx, func() ([]byte, error) { return r.body(stdin) })
		if err != nil && ctx.Err() != nil {
			return nil, stopped(ctx)
		}
		if err != nil {
			return nil, fail(exitRead, fmt.Errorf("--data: %w", err))
		}
		body = bytes.NewReader(text)
		if method == "" {
			method = http.MethodPost
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, rawurl, body)
	if err != nil {
		return nil, fail(exitUsage, fmt.Errorf("the request cannot be made: %w", err))
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("User-Agent", "tally")
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return req, r.setHeaders(req)
}

func (r *request) body(stdin io.Reader) ([]byte, error) {
	var all bytes.Buffer
	for i, d := range r.data {
		if i > 0 {
			all.WriteByte('&')
		}
		if err := appendData(&all, d, stdin); err != nil {
			return nil, err
		}
		if all.Len() > maxData {
			return nil, fmt.Errorf("more than %d MB, which is too much to hold in memory", maxData>>20)
		}
	}
	return all.Bytes(), nil
}

// appendData appends what one -d says, and of a file no more than is needed to know that it is too long.
func appendData(to *bytes.Buffer, d string, stdin io.Reader) error {
	name, isFile := strings.CutPrefix(d, "@")
	from := stdin
	switch {
	case d == "-", d == "@-":
	case isFile:
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	default:
		to.WriteString(d)
		return nil
	}
	_, err := io.Copy(to, io.LimitReader(from, maxData+1-int64(to.Len())))
	return err
}

func (r *request) setHeaders(req *http.Request) error {
	replaced := map[string]bool{} // a header of the user's takes the place of a default
	for _, line := range r.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return fail(exitUsage, fmt.Errorf("--header: it is not \"Name: value\""))
		}
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case strings.EqualFold(name, "Host"):
			req.Host = value
		case value == "" && strings.EqualFold(name, "User-Agent"):
			req.Header["User-Agent"] = []string{""} // net/http sends its own name otherwise
		case value == "":
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
