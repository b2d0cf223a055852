package voucher_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestKeystoreNotLinked checks that only package voucher/keyfile links keystore files, with scrypt
// and file watchers.
func TestKeystoreNotLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/ethereum/go-ethereum/crypto")
	for _, heavy := range []string{
		"accounts/keystore", "accounts", "rpc", "core/types", "signer/core/apitypes",
	} {
		assert.NotContains(t, deps, "github.com/ethereum/go-ethereum/"+heavy)
	}
	assert.NotContains(t, deps, "net/http")
	assert.NotContains(t, deps, "net")
}
