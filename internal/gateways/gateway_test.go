//go:build unix

package gateways

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/fleet"
)

// gateway is a running reverse proxy with TLS and HTTP/2 in front of a paid server.
type gateway struct {
	*process
	url   string         // https://127.0.0.1:port
	trust *x509.CertPool // the certificate that it shows
	// reloads is the signal at which new workers take over the port while the old ones end what they
	// have begun.
	reloads syscall.Signal
}

// worker asks over a new connection which worker process answers.
func (g *gateway) worker() (string, error) {
	base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: g.trust}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: base, Timeout: patience}).Get(g.url + "/free")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Header.Get(workerHeader), err
}

// workerHeader is the response header that a gateway names its worker process in.
const workerHeader = "X-Worker"

// reload lets new workers take over, waits until they answer new connections, and returns one of
// them.
func (g *gateway) reload(t *testing.T) string {
	t.Helper()
	before, err := g.worker()
	assert.NoError(t, err)
	assert.NotEmpty(t, before)
	end := time.Now().Add(patience)
	for try := 0; ; try++ {
		if try%50 == 0 { // a gateway that is still busy with the last one may miss a signal
			assert.NoError(t, g.cmd.Process.Signal(g.reloads))
		}
		time.Sleep(5 * time.Millisecond)
		now, err := g.worker()
		if err == nil && now != before {
			return now
		}
		if !assert.True(t, time.Now().Before(end), "no new worker: %v: %s", err, g.log()) {
			return ""
		}
	}
}

// kind starts gateways of one kind in front of the paid server at upstream, a host and a port.
type kind func(t *testing.T, upstream string) *gateway

// grace is how long old workers may take to end what they have begun.
const grace = "30s"

// nginx returns a kind of nginx with the location of docs/recipes.md, or another one. server is
// added to its server block.
func nginx(grace, server, location string) kind {
	return func(t *testing.T, upstream string) *gateway {
		location := location
		if location == "" {
			location = recipe(t, "nginx")
		}
		user := ""
		if os.Geteuid() == 0 {
			user = "user root;" // its workers may not enter the directory of the test otherwise
		}
		return start(t, "nginx", func(dir, port string) []string {
			temps := ""
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temps += fmt.Sprintf("\t%s_temp_path %s/%s;\n", kind, dir, kind)
			}
			config := user + `
daemon off;
worker_processes 1;
worker_shutdown_timeout ` + grace + `;
error_log stderr info;
pid ` + dir + `/pid;
events { worker_connections 512; }
http {
` + temps + `
	access_log off;
	gzip on;
	gzip_proxied any;
	gzip_min_length 1;
	gzip_types application/json application/problem+json text/event-stream;
	upstream paid {
		server ` + upstream + `;
		keepalive 16;
	}
	server {
		listen 127.0.0.1:` + port + ` ssl http2;
		ssl_certificate ` + dir + `/cert.pem;
		ssl_certificate_key ` + dir + `/key.pem;
		add_header ` + workerHeader + ` $pid always;
		` + server + `
		` + location + `
	}
}
`
			require.NoError(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600))
			return []string{"-p", dir, "-c", filepath.Join(dir, "conf"), "-e", "stderr"}
		}, syscall.SIGHUP)
	}
}

// haproxy returns a kind of HAProxy with the backend of docs/recipes.md. global is added to the
// global section, and server to the line of the paid server.
func haproxy(grace, global, server string) kind {
	return func(t *testing.T, upstream string) *gateway {
		backend := recipe(t, "haproxy")
		require.Contains(t, backend, "127.0.0.1:8080")
		backend = strings.Replace(backend, "127.0.0.1:8080", upstream+" "+server, 1)
		return start(t, "haproxy", func(dir, port string) []string {
			config := `
global
	stats socket ` + dir + `/socket mode 600 level admin expose-fd listeners
	hard-stop-after ` + grace + `
	` + global + `
defaults
	mode http
	timeout connect 10s
	timeout client 1m
	compression algo gzip
	compression type application/json application/problem+json text/event-stream
frontend public
	bind 127.0.0.1:` + port + ` ssl crt ` + dir + `/both.pem alpn h2,http/1.1
	http-response set-header ` + workerHeader + ` %pid
	default_backend paid
` + backend
			require.NoError(t, os.WriteFile(filepath.Join(dir, "conf"), []byte(config), 0o600))
			return []string{"-W", "-db", "-f", filepath.Join(dir, "conf")}
		}, syscall.SIGUSR2)
	}
}

// recipe returns the configuration for a program from docs/recipes.md.
func recipe(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/recipes.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "```"+language+"\n")
	require.True(t, found, "the page has no configuration for %s", language)
	block, _, _ := strings.Cut(rest, "```")
	return block
}

// start starts a gateway on a free port. configure writes its configuration to dir and returns its
// arguments; reload is the signal that it reads it again at.
func start(
	t *testing.T,
	name string,
	configure func(dir, port string) []string,
	reload syscall.Signal,
) *gateway {
	t.Helper()
	for range 5 { // another program may take the port first
		dir := directory(t)
		g := &gateway{trust: certificate(t, dir)}
		port := fleet.FreePort(t)
		addr := net.JoinHostPort("127.0.0.1", port)
		g.url = "https://" + addr
		var ok bool
		if g.process, ok = launch(t, name, dir, addr, configure(dir, port)...); ok {
			g.reloads = reload
			return g
		} else if log := g.log(); !strings.Contains(strings.ToLower(log), "address already in use") &&
			!strings.Contains(log, "cannot bind") {
			t.Fatalf("%s ended at its start: %s", name, log)
		}
	}
	t.Fatalf("%s finds no port", name)
	return nil
}

// upstream is a server behind a gateway.
type upstream struct {
	addr string
	stop func()
}

// cleartext serves h over HTTP/1 and over HTTP/2 without TLS.
func cleartext(t *testing.T, h http.Handler) upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: h, Protocols: protocols, ReadHeaderTimeout: patience}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	up := upstream{l.Addr().String(), sync.OnceFunc(func() {
		_ = server.Close()
		<-done
	})}
	t.Cleanup(up.stop)
	return up
}
