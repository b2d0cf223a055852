package voucher_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Keystore files bring scrypt, file watchers and more. Only package voucher/keyfile links them.
func TestNoKeystoreHere(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	deps := strings.Fields(string(out))
	require.Contains(t, deps, "github.com/ethereum/go-ethereum/crypto")
	for _, heavy := range []string{"accounts/keystore", "accounts", "rpc", "core/types",
		"signer/core/apitypes"} {
		assert.NotContains(t, deps, "github.com/ethereum/go-ethereum/"+heavy)
	}
	assert.NotContains(t, deps, "net/http")
	assert.NotContains(t, deps, "net")
}
