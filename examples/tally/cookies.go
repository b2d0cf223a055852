package main

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

// maxCookies bounds a file of cookies, in bytes.
const maxCookies = 4 << 20

// jar returns the cookies of the file that -b names, or nil if it names none. They are Netscape's lines, or headers
// as a server sends them, which are for the URL's own host.
func (r *request) jar(u *url.URL) (http.CookieJar, error) {
	if r.cookie == "" || strings.Contains(r.cookie, "=") {
		return nil, nil
	}
	text, err := readSmall(r.cookie, maxCookies)
	if err != nil {
		return nil, fail(exitRead, fmt.Errorf("--cookie: %w", err))
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if name, value, ok := strings.Cut(line, ":"); ok && textproto.CanonicalMIMEHeaderKey(name) == "Set-Cookie" {
			if c, err := http.ParseSetCookie(strings.TrimSpace(value)); err == nil {
				jar.SetCookies(u, []*http.Cookie{c})
			}
			continue
		}
		setNetscape(jar, line)
	}
	from, err := origin.Of(u)
	if err != nil {
		return jar, nil //nolint:nilerr // the request will not be sent
	}
	return ownJar{jar, from}, nil
}

// ownJar are the cookies of a file. Cookies do not tell the ports and schemes of a host apart: those of the origin that
// was asked go to no other one of its host, and come from none.
type ownJar struct {
	http.CookieJar
	from origin.Origin
}

// Cookies implements http.CookieJar.
func (j ownJar) Cookies(u *url.URL) []*http.Cookie {
	if j.beside(u) {
		return nil
	}
	return j.CookieJar.Cookies(u)
}

// SetCookies implements http.CookieJar.
func (j ownJar) SetCookies(u *url.URL, all []*http.Cookie) {
	if !j.beside(u) {
		j.CookieJar.SetCookies(u, all)
	}
}

// beside reports whether a URL is of another origin of the same host.
func (j ownJar) beside(u *url.URL) bool {
	at, err := origin.Of(u)
	return err != nil || at.Host == j.from.Host && at.Text != j.from.Text
}

// setNetscape sets a cookie that is written as domain, subdomains, path, secure, expiry, name and value.
func setNetscape(jar http.CookieJar, line string) {
	line = strings.TrimPrefix(line, "#HttpOnly_")
	f := strings.Split(line, "\t")
	if len(f) < 7 || strings.HasPrefix(line, "#") {
		return
	}
	host := strings.TrimPrefix(f[0], ".")
	c := &http.Cookie{Name: f[5], Value: f[6], Path: f[2], Secure: f[3] == "TRUE"}
	if f[1] == "TRUE" {
		c.Domain = host
	}
	var seconds int64
	if _, err := fmt.Sscan(f[4], &seconds); err == nil && seconds > 0 {
		c.Expires = time.Unix(seconds, 0)
	}
	jar.SetCookies(&url.URL{Scheme: "https", Host: host, Path: f[2]}, []*http.Cookie{c})
}
