package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
)

// TestPaymentThroughAProxy: with CONNECT the payee's certificate is checked as without a proxy, which sees its name and
// no credential.
func TestPaymentThroughAProxy(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	secure := httptest.NewUnstartedServer(s.srv.Handler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	roots := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{
		Type: "CERTIFICATE", Bytes: secure.Certificate().Raw,
	}), 0o600))
	var mu sync.Mutex // guards seen
	var seen []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen = append(seen, fmt.Sprint(r.Method, " ", r.Host, " ", r.Header))
		mu.Unlock()
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		tunnel(w, strings.TrimPrefix(secure.URL, "https://"))
	}))
	defer proxy.Close()
	s.env["SSL_CERT_FILE"] = roots
	const url = "https://example.com/data" // a name of the certificate, which nobody looks up
	e := s.process(nil, nil, "-x", proxy.URL, url)
	require.Equal(t, 0, e.code, e.stderr)
	assert.Contains(t, e.stdout, `"ok":true`)
	s.books(100)
	require.NotEmpty(t, seen)
	for _, one := range seen {
		assert.True(t, strings.HasPrefix(one, "CONNECT example.com:443 "), one)
		assert.NotContains(t, one, "Payment")
	}
	s.env["SSL_CERT_FILE"] = filepath.Join(t.TempDir(), "none.pem")
	e = s.process(nil, nil, "-x", proxy.URL, url)
	assert.Equal(t, exitCert, e.code, e.stderr)
	s.books(100)
}
