package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "-0": 0, "2.5": 2500 * time.Millisecond, "1e3": 1000 * time.Second, "1e-300": 1, "5e-324": 1,
		"9223372036": 9223372036 * time.Second,
	} {
		var s seconds
		assert.NoError(t, s.Set(text), text)
		assert.Equal(t, want, time.Duration(s), text)
	}
	for _, text := range []string{
		"NaN", "-1", "-1e-9", "1e300", "1e10", "Inf", "-inf", "9223372037", "", "1s", "1e999", "0x1p64", "0x10",
	} {
		var s seconds
		assert.Error(t, s.Set(text), text)
		assert.Zero(t, s, text)
	}
}

// TestMaxTimeThatIsNone is a usage error, and nothing is sent.
func TestMaxTimeThatIsNone(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	for _, text := range []string{"NaN", "-1", "1e300", "Inf", "-Inf", "1e10", "soon"} {
		e := s.process(nil, nil, "-m="+text, s.srv.URL+"/data")
		assert.Equal(t, exitUsage, e.code, e.stderr)
		assert.Contains(t, e.stderr, "write a number of seconds", text)
	}
	assert.Empty(t, s.srv.Requests())
	for _, text := range []string{"0", "9223372036"} {
		e := s.process(nil, nil, "-m", text, s.srv.URL+"/data")
		assert.Equal(t, 0, e.code, e.stderr)
	}
	e := s.process(nil, nil, "-m", "1e-300", s.srv.URL+"/data")
	assert.Equal(t, exitTimeout, e.code, e.stderr)
	s.books(200)
}
