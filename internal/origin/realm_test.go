package origin_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/origin"
)

func TestRealmsThatAreOursOrATitle(t *testing.T) {
	for asked, realms := range map[string][]string{
		"https://api.pay.example:8443/data": {
			"", "Paid API", "Pay", "localhost", "MPP Payment", "Version 1.0 of it", "v2.1",
			"Acme Inc.", "Acme: data, by the piece!", "Wait ... here",
			"café", "Café Zürich", "支払い", "☕ and cake", "C# & Go", "100% paid",
			"api.pay.example", "API.Pay.Example.", "pay.example", "api.pay.example:443",
			"https://api.pay.example", "ftp://pay.example", "api.pay.example/v1/data",
			"me@pay.example",
			"https://me:x@api.pay.example:1/x?y#z", "API of pay.example.",
			"api\u3002pay\uff0eexample", "\uff41pi.pay.example/x",
		},
		"https://bücher.example": {
			"bücher.example", "xn--bcher-kva.example",
			"BÜCHER.example./shop", "Bücher",
		},
		"https://192.0.2.1": {"192.0.2.1", "192.0.2.1:80", "192.0.2.1./x", "0.2.1"},
		"https://[2001:db8::1]": {
			"[2001:db8::1]", "2001:db8:0::1",
			"https://[2001:DB8::1]:8443/x",
		},
	} {
		u, err := url.Parse(asked)
		require.NoError(t, err)
		for _, realm := range realms {
			assert.NoError(t, origin.CheckRealm(realm, u), "%s of %s", realm, asked)
		}
	}
}

func TestRealmsOfOthersAndOfNobodyKnown(t *testing.T) {
	for asked, realms := range map[string][]string{
		"https://api.pay.example": {
			"bank.example", "bank.example/pay", "bank.example:443", "https://bank.example",
			"https://bank.example/pay", "HTTPS://BANK.EXAMPLE:8443/a?b#c", "ftp://bank.example",
			"me@bank.example", "api.pay.example@bank.example",
			"https://api.pay.example:443@bank.example/", "bank.example.", "Bank.Example./x",
			"xn--bcher-kva.example", "bücher.example", "bücher.example/x", "bank\u3002example",
			"\uff42ank.example", "bank.ex\u00adample", "ba\u200bnk.example",
			"[::1]", "[2001:db8::1]:443", "2001:db8::1", "192.0.2.1", "192.0.2.1.", "192.0.2.1/x",
			"intranet:8080", "intranet/pay", "http://intranet", "//bank.example",
			"user@intranet",
			"The API of bank.example", "bank.example Paid API", "api.pay.example bank.example",
			"Paid API (bank.example)", "See https://bank.example/pay.",
			"Pay: bank.example, please",
			"api.pay.example,bank.example", "api.pay.example/@bank.example",
			"api.pay.example?@bank.example", "api.pay.example#@bank.example",
			`api.pay.example\@bank.example`, `bank.example\x`,
			"api.pay.example:bank.example", "*.pay.example", "xapi.pay.example",
			"other.pay.example", "api.pay.example.bank.example", "https://", "https://?x",
			"a..b", "bank．example", "bank／x",
			"(https://bank.example)", "mailto:me@bank.example", "127.1:80", "[pay",
			"pay.example%2ebank.example",
		},
		"https://192.0.2.1":  {"192.0.2.2", "2.1/x", "192.0.2.1.example", "[::1]"},
		"https://[::1]":      {"[::2]", "1.example", "127.0.0.1"},
		"https://127.1/data": {"Paid API"},
	} {
		u, err := url.Parse(asked)
		require.NoError(t, err)
		for _, realm := range realms {
			assert.Error(t, origin.CheckRealm(realm, u), "%s of %s", realm, asked)
		}
	}
}
