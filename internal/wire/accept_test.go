package wire

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseAcceptPayment(t *testing.T) {
	for s, want := range map[string][]Preference{
		"tempo/session": {{"tempo", "session", 1000}},
		"tempo/session, tempo/charge;q=0.5, stripe/*;q=0": {{"tempo", "session", 1000}, {"tempo", "charge", 500}, {"stripe", "*", 0}},
		" */* ;\tQ = 0.125\t,*/session;q=1.000":           {{"*", "*", 125}, {"*", "session", 1000}},
		"a-1/b;q=0.,c/d;q=1,e/f;q=0.05":                   {{"a-1", "b", 0}, {"c", "d", 1000}, {"e", "f", 50}},
	} {
		got, err := ParseAcceptPayment(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, got, s)
		text, err := FormatAcceptPayment(got...)
		require.NoError(t, err)
		again, err := ParseAcceptPayment(text)
		require.NoError(t, err, text)
		assert.Equal(t, got, again)
	}
	for _, s := range []string{
		"", " ", ",", "tempo/session,", "tempo", "tempo/", "/session", "Tempo/session",
		"tempo/session/x", "tempo /session", "te*/session", "**/session",
		"tempo/session;", "tempo/session;q", "tempo/session;q=", "tempo/session;q=1.1",
		"tempo/session;q=2", "tempo/session;q=-1", "tempo/session;q=0.1234",
		"tempo/session;q=.5", "tempo/session;q=NaN", "tempo/session;q=0.5;x=1", "tempo/session;v=1",
		"tempo/session;q=0.5x", "tempo/session;q=00.5",
		"tempo/session tempo/charge", "*", strings.Repeat("a/b,", maxPreferences) + "a/b",
	} {
		_, err := ParseAcceptPayment(s)
		assert.ErrorIs(t, err, ErrMalformed, s)
	}
}

func TestFormatAcceptPayment(t *testing.T) {
	got, err := FormatAcceptPayment(
		Preference{"tempo", "charge", 1000}, Preference{"tempo", "session", 500},
		Preference{"*", "*", 5}, Preference{"stripe", "*", 0},
	)
	require.NoError(t, err)
	assert.Equal(t, "tempo/charge, tempo/session;q=0.5, */*;q=0.005, stripe/*;q=0", got)
	for _, bad := range [][]Preference{nil, {{"", "a", 1}}, {{"a", "B", 1}}, {{"a", "b", 1001}}, {{"a", "b", -1}}, {{"a", "b c", 1}}} {
		_, err := FormatAcceptPayment(bad...)
		assert.ErrorIs(t, err, ErrMalformed)
	}
}

func TestRank(t *testing.T) {
	offer := func(id, name string) Challenge {
		method, intent, _ := strings.Cut(name, "/")
		return Challenge{ID: id, Method: method, Intent: intent}
	}
	offers := []Challenge{
		offer("1", "stripe/charge"),
		offer("2", "tempo/charge"),
		offer("3", "tempo/session"),
		offer("4", "tempo/session"),
	}
	for header, want := range map[string][]string{
		"*/*":                          {"1", "2", "3", "4"},
		"tempo/session":                {"3", "4"},
		"tempo/charge, tempo/session":  {"2", "3", "4"},
		"tempo/*;q=0.5, tempo/session": {"3", "4", "2"},
		"tempo/*, tempo/charge;q=0":    {"3", "4"}, // the more specific wins, even to exclude
		"*/*;q=0.1, tempo/session;q=0, */charge;q=0.9":     {"1", "2"},           // one wildcard wins over two
		"tempo/*;q=0.2, */session;q=0.8, */*":              {"1", "3", "4", "2"}, // equally specific: the higher q wins
		"tempo/session;q=0, tempo/session;q=0.3":           {"3", "4"},
		"evm/session":                                      nil,
		"tempo/session;q=0.3, stripe/*;q=0.3, tempo/*;q=0": {"1", "3", "4"},
	} {
		prefs, err := ParseAcceptPayment(header)
		require.NoError(t, err)
		assert.Equal(t, want, ids(Rank(prefs, offers)), header)
	}
	assert.Empty(t, Rank(nil, offers))
	assert.Equal(t, []string{"1", "2", "3", "4"}, ids(offers), "the argument is not changed")
}

func FuzzParseAcceptPayment(f *testing.F) {
	for _, s := range []string{"tempo/session", "tempo/session, tempo/charge;q=0.5, stripe/*;q=0", "*/*;q=0.001", "a/b;q=1.000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		prefs, err := ParseAcceptPayment(s)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		text, err := FormatAcceptPayment(prefs...)
		require.NoError(t, err)
		again, err := ParseAcceptPayment(text)
		require.NoError(t, err)
		require.Equal(t, prefs, again)
	})
}
