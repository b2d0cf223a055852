package keyfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

// cheapN makes the key derivation cheap in all tests but one.
const cheapN, cheapP = 2, 1

func TestSaveAndLoad(t *testing.T) {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "payer.json")
	require.NoError(t, save(path, key, "open sesame", cheapN, cheapP))

	signer, err := Load(path, "open sesame")
	require.NoError(t, err)
	assert.Equal(t, crypto.PubkeyToAddress(key.PublicKey), signer.Address())

	if runtime.GOOS != "windows" {
		info, err := os.Stat(path)
		require.NoError(t, err)
		assert.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
	}
	for _, wrong := range []string{"", "open sesame ", "Open sesame"} {
		_, err = Load(path, wrong)
		require.ErrorIs(t, err, ErrPassword)
		assert.NotContains(t, err.Error(), "sesame")
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.NotContains(t, string(raw), common.Bytes2Hex(crypto.FromECDSA(key)))

	_, err = Load(path+".none", "x")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestSaveNeverOverwrites protects existing files, whose keys may hold money.
func TestSaveNeverOverwrites(t *testing.T) {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "payer.json")
	for _, there := range []string{"", "anything"} {
		require.NoError(t, os.WriteFile(path, []byte(there), 0o600))
		require.ErrorIs(t, save(path, key, "pw", cheapN, cheapP), fs.ErrExist)
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, there, string(raw))
	}
	require.Error(t, save(filepath.Join(path, "below", "a", "file"), key, "pw", cheapN, cheapP))
}

func TestSaveRefuses(t *testing.T) {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "payer.json")
	require.ErrorIs(t, Save(path, key, ""), ErrPassword)
	require.ErrorIs(t, Save(path, nil, "pw"), voucher.ErrKey)
	require.ErrorIs(t, Save(path, p256, "pw"), voucher.ErrKey)
	require.ErrorIs(
		t, Save(path, &ecdsa.PrivateKey{PublicKey: ecdsa.PublicKey{Curve: crypto.S256()}}, "pw"),
		voucher.ErrKey,
	)
	require.Error(t, save(path, key, "pw", 3, cheapP), "scrypt's n is a power of two")
	assert.NoFileExists(t, path)
}

// TestSaveAsGeth saves one file at full strength and reads it with the code of geth.
func TestSaveAsGeth(t *testing.T) {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "payer.json")
	require.NoError(t, Save(path, key, "pw"))
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	back, err := keystore.DecryptKey(raw, "pw")
	require.NoError(t, err)
	assert.True(t, key.Equal(back.PrivateKey))
	assert.Equal(t, crypto.PubkeyToAddress(key.PublicKey), back.Address)
}

// good returns the JSON of a file that Load accepts.
func good(t testing.TB) []byte {
	key, err := crypto.HexToECDSA(
		"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
	)
	require.NoError(t, err)
	raw, err := keystore.EncryptKey(
		&keystore.Key{Address: crypto.PubkeyToAddress(key.PublicKey), PrivateKey: key}, "pw",
		cheapN, cheapP,
	)
	require.NoError(t, err)
	return raw
}

// change returns the file with the field at the dotted path set, or removed if nil.
func change(t testing.TB, path string, value any) []byte {
	var tree map[string]any
	require.NoError(t, json.Unmarshal(good(t), &tree))
	at := tree
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		at = at[name].(map[string]any)
	}
	if value == nil {
		delete(at, names[len(names)-1])
	} else {
		at[names[len(names)-1]] = value
	}
	raw, err := json.Marshal(tree)
	require.NoError(t, err)
	return raw
}

func loadRaw(t testing.TB, raw []byte) (*voucher.KeySigner, error) {
	path := filepath.Join(t.TempDir(), "key.json")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return Load(path, "pw")
}

func TestLoadRefuses(t *testing.T) {
	_, err := loadRaw(t, good(t))
	require.NoError(t, err)
	signer, err := loadRaw(t, change(t, "address", nil))
	require.NoError(t, err, "the address is a courtesy")
	assert.Equal(
		t, common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), signer.Address(),
	)

	const other = "70997970c51812dc3a010c7d01b50e0d17dc79c8"
	for name, raw := range map[string][]byte{
		"empty":                {},
		"not JSON":             []byte("0x" + other),
		"null":                 []byte("null"),
		"an array":             []byte("[]"),
		"too long":             append(good(t), make([]byte, maxFile)...),
		"no version":           change(t, "version", nil),
		"version 1":            change(t, "version", "1"),
		"version 4":            change(t, "version", 4),
		"no id":                change(t, "id", nil),
		"another address":      change(t, "address", other),
		"a broken address":     change(t, "address", "0x12"),
		"no crypto":            change(t, "crypto", nil),
		"no cipher":            change(t, "crypto.cipher", nil),
		"no ciphertext":        change(t, "crypto.ciphertext", "zz"),
		"no iv":                change(t, "crypto.cipherparams", nil),
		"a short iv":           change(t, "crypto.cipherparams.iv", "00"),
		"no kdf":               change(t, "crypto.kdf", nil),
		"an unknown kdf":       change(t, "crypto.kdf", "argon2"),
		"no kdfparams":         change(t, "crypto.kdfparams", nil),
		"no salt":              change(t, "crypto.kdfparams.salt", nil),
		"salt is a number":     change(t, "crypto.kdfparams.salt", 1),
		"salt is not hex":      change(t, "crypto.kdfparams.salt", "zz"),
		"no dklen":             change(t, "crypto.kdfparams.dklen", nil),
		"dklen 16":             change(t, "crypto.kdfparams.dklen", 16),
		"no n":                 change(t, "crypto.kdfparams.n", nil),
		"n is text":            change(t, "crypto.kdfparams.n", "2"),
		"n is not a power":     change(t, "crypto.kdfparams.n", 3),
		"n is a fraction":      change(t, "crypto.kdfparams.n", 2.5),
		"n of gigabytes":       change(t, "crypto.kdfparams.n", 1<<30),
		"a gigabyte":           scrypt(t, 1<<20, 8, 1),
		"half a gigabyte":      scrypt(t, 1<<19, 8, 1),
		"a gigabyte with r 1":  scrypt(t, 1<<23, 1, 1),
		"with r 16":            scrypt(t, 1<<18, 16, 1),
		"work of many p":       scrypt(t, 1<<18, 8, 9),
		"n times r overflows":  scrypt(t, 1<<60, 16, 16),
		"n beyond all":         change(t, "crypto.kdfparams.n", 1e300),
		"r 0":                  change(t, "crypto.kdfparams.r", 0),
		"r negative":           change(t, "crypto.kdfparams.r", -8),
		"p 0":                  change(t, "crypto.kdfparams.p", 0),
		"p large":              change(t, "crypto.kdfparams.p", 1<<20),
		"mac is not hex":       change(t, "crypto.mac", "zz"),
		"pbkdf2 without c":     change(t, "crypto.kdf", "pbkdf2"),
		"pbkdf2 with a bad c":  pbkdf2(t, -1, "hmac-sha256"),
		"pbkdf2, endless":      pbkdf2(t, 1e12, "hmac-sha256"),
		"pbkdf2, another hash": pbkdf2(t, 1, "hmac-sha512"),
		"pbkdf2 without hash":  pbkdf2(t, 1, nil),
	} {
		_, err := loadRaw(t, raw)
		assert.ErrorIs(t, err, ErrFormat, name)
	}
	_, err = loadRaw(t, change(t, "crypto.mac", strings.Repeat("00", 32)))
	require.ErrorIs(t, err, ErrPassword)
	_, err = loadRaw(t, pbkdf2(t, 1, "hmac-sha256"))
	require.ErrorIs(t, err, ErrPassword)
	_, err = Load(t.TempDir(), "pw")
	require.Error(t, err, "a directory")
}

func scrypt(t testing.TB, n, r, p uint64) []byte {
	raw := change(t, "crypto.kdfparams.n", n)
	var tree map[string]any
	require.NoError(t, json.Unmarshal(raw, &tree))
	params := tree["crypto"].(map[string]any)["kdfparams"].(map[string]any)
	params["r"], params["p"] = r, p
	raw, err := json.Marshal(tree)
	require.NoError(t, err)
	return raw
}

// TestParametersOfOthers: the files of geth and other wallets are within the bounds.
func TestParametersOfOthers(t *testing.T) {
	for name, p := range map[string][3]float64{
		"geth, standard": {1 << 18, 8, 1}, "geth, light": {1 << 12, 8, 6}, "ethers": {1 << 17, 8, 1},
		"web3.py": {1 << 18, 1, 8}, "the most": {1 << 18, 8, 8},
	} {
		err := inspectKDF("scrypt", map[string]any{"salt": "00", "dklen": 32.0, "n": p[0], "r": p[1], "p": p[2]})
		assert.NoError(t, err, name)
	}
}

func pbkdf2(t testing.TB, c, prf any) []byte {
	raw := change(t, "crypto.kdf", "pbkdf2")
	var tree map[string]any
	require.NoError(t, json.Unmarshal(raw, &tree))
	tree["crypto"].(map[string]any)["kdfparams"] = map[string]any{
		"salt":  "00",
		"dklen": 32,
		"c":     c,
		"prf":   prf,
	}
	raw, err := json.Marshal(tree)
	require.NoError(t, err)
	return raw
}

// FuzzOpen checks that no file makes the library behind Load panic.
func FuzzOpen(f *testing.F) {
	f.Add(good(f))
	f.Add(pbkdf2(f, 1, "hmac-sha256"))
	f.Add(change(f, "crypto.kdfparams.N", 4))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var file struct{ Crypto keystore.CryptoJSON }
		if json.Unmarshal(raw, &file) == nil {
			// Expensive parameters would only slow the test down.
			for _, name := range []string{"n", "p", "c"} {
				if n, ok := file.Crypto.KDFParams[name].(float64); ok && n > 1<<10 {
					return
				}
			}
		}
		signer, err := Decrypt(raw, "pw")
		if err == nil {
			require.NotNil(t, signer)
			return
		}
		require.Nil(t, signer)
	})
}
