//go:build unix

package gateways

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for a gateway. It is long because the machine may be busy.
const patience = time.Minute

// process is a gateway in the foreground.
type process struct {
	name   string
	dir    string // its files
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// launch starts the program and waits until addr takes connections. It reports whether it does; a
// program that ended may have found its port taken.
func launch(t *testing.T, name, dir, addr string, args ...string) (*process, bool) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	require.NoError(t, err)
	defer log.Close()
	p := &process{
		name: name, dir: dir, cmd: exec.Command(program(name), args...), exited: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = log, log, attributes()
	started := make(chan error)
	go func() {
		defer close(p.exited)
		runtime.LockOSThread() // the gateway dies with the thread that started it, so that one stays
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
	}()
	require.NoError(t, <-started)
	t.Cleanup(func() { p.stop(t) })
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.exited:
			return p, false
		default:
		}
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = c.Close()
			return p, true
		}
	}
	t.Fatalf("%s does not listen: %s", name, p.log())
	return nil, false
}

// stop ends the gateway: the parent process ends its workers first. The test fails if they do not
// end.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if t.Failed() {
		t.Logf("log of %s: %s", p.name, p.log())
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		t.Errorf("%s does not end: %s", p.name, p.log())
	}
}

// log returns the end of what the gateway wrote.
func (p *process) log() string {
	data, err := os.ReadFile(filepath.Join(p.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4000):])
}

// program returns the path of a gateway, which a user's PATH may not have; empty if there is none.
func program(name string) string {
	for _, dir := range []string{"", "/usr/sbin", "/usr/local/sbin"} {
		if found, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return found
		}
	}
	return ""
}

// directory returns an empty directory. Its name is short and plain, as the path of a socket has to
// be.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tallystick-gateways-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// certificate writes a certificate for loopback and its key to dir, as cert.pem, key.pem and
// both.pem, and returns what a client has to trust.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for name, data := range map[string][]byte{
		"cert.pem": certPEM, "key.pem": keyPEM, "both.pem": slices.Concat(certPEM, keyPEM),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(certPEM))
	return pool
}
