package origin

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// CheckRealm refuses the realm of a challenge if it names, or may name, a host that is neither the
// one that was asked nor a domain above it. Such a challenge may be another service's, passed on to
// get a proof that is good there.
//
// A realm is free text. A word of it names a host if it has a dot, a colon, a slash, a bracket or
// an @ in it, and the host of "https://user@pay.example:8443/path" is pay.example. A word that
// looks so and has no host that can be read is refused. Other words, and numbers such as 1.0, are a
// title and name nobody.
func CheckRealm(realm string, asked *url.URL) error {
	own, err := hostOf(asked)
	if err != nil {
		return err
	}
	words := strings.Fields(realm)
	for _, word := range words {
		if len(words) > 1 {
			word = unpunctuated(word)
		}
		name, err := realmHost(word)
		if err != nil {
			return fmt.Errorf("realm %s may name another host: %w", quote(realm), err)
		}
		if name != "" && name != own && !below(own, name) {
			return fmt.Errorf("realm %s names host %s, which is not %s", quote(realm), name, own)
		}
	}
	return nil
}

// below reports whether a host name is in a domain. An address is in none.
func below(host, domain string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && strings.HasSuffix(host, "."+domain)
}

// unpunctuated returns a word of a title without what ends a part of a sentence.
func unpunctuated(word string) string {
	word = strings.TrimRight(word, ".,;!?")
	if strings.Count(word, ":") == 1 {
		word = strings.TrimSuffix(word, ":")
	}
	return word
}

// realmHost returns the host that a word of a realm names, or an empty string if it names none. The
// error says that it cannot be told.
func realmHost(word string) (string, error) {
	if strings.ContainsFunc(word, func(r rune) bool { return r >= utf8.RuneSelf }) &&
		!strings.ContainsAny(word, marks) {
		name, err := idna.Lookup.ToASCII(word)
		if err != nil {
			return "", fmt.Errorf("%s has no ASCII form", quote(word))
		}
		word = name // letters that fold to a dot are a dot now
	}
	if !strings.ContainsAny(word, marks+".") {
		return "", nil
	}
	if !strings.ContainsAny(word, marks) && version(word) {
		return "", nil
	}
	if ip, err := netip.ParseAddr(word); err == nil && ip.Is6() {
		word = "[" + word + "]"
	}
	text := word
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%s is not a host", quote(word))
	}
	if strings.ContainsAny(u.EscapedPath()+u.RawQuery+u.Fragment, `@\`) {
		return "", fmt.Errorf("%s can be read as more than one host", quote(word))
	}
	return hostOf(u)
}

// hostOf returns the host of a URL in the spelling of origins, whatever its scheme and its port.
func hostOf(u *url.URL) (string, error) {
	o, err := Of(&url.URL{Scheme: "https", Host: strings.TrimSuffix(u.Host, ":"+u.Port())})
	return o.Host, err
}

// marks are the characters, besides the dot, by which a word is taken for a host or a URL.
const marks = `:/\@[]`

// version reports whether a word with dots is a number such as 1.0 or v2.1, and not an address.
func version(word string) bool {
	_, err := netip.ParseAddr(strings.TrimSuffix(word, "."))
	return err != nil && numeric(strings.ToLower(word[strings.LastIndexByte(word, '.')+1:])) &&
		!strings.HasSuffix(word, ".")
}
