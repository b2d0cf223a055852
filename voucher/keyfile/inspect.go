package keyfile

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/safefile"
)

// Bounds of a key file. The work of the key derivation is done before the password is checked, so a
// file must not demand too much of it: the memory that geth's own files need, and eight times their work.
const (
	maxFile   = 64 << 10
	maxMemory = 128 * keystore.StandardScryptN * 8 // bytes of scrypt: 128 * n * r
	maxWork   = 8 * maxMemory                      // 128 * n * r * p
	maxRounds = 10_000_000
	maxScrypt = 16 // r and p
)

// read reads a key file that nobody but its owner may change. It never waits.
func read(path string) ([]byte, error) {
	raw, info, err := safefile.Read(path, maxFile)
	if errors.Is(err, safefile.ErrTooLong) {
		return nil, fmt.Errorf("%w: %s: it is longer than %d bytes", ErrFormat, path, maxFile)
	}
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	if err := safefile.Guarded(path, info); err != nil {
		return nil, fmt.Errorf("keyfile: %s: %w", path, err)
	}
	return raw, nil
}

// inspect checks the fields without which the library panics, and the work that the file demands.
// It returns the address that the file names, or nil.
func inspect(raw []byte) (*common.Address, error) {
	var file struct {
		Address string
		Version int
		Crypto  keystore.CryptoJSON
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%w: its JSON is malformed", ErrFormat)
	}
	if file.Version != 3 {
		return nil, fmt.Errorf("%w: it has version %d", ErrFormat, file.Version)
	}
	if iv, err := hex.DecodeString(file.Crypto.CipherParams.IV); err != nil || len(iv) != 16 {
		return nil, fmt.Errorf("%w: cipherparams.iv is not 16 bytes", ErrFormat)
	}
	if err := inspectKDF(file.Crypto.KDF, file.Crypto.KDFParams); err != nil {
		return nil, err
	}
	if file.Address == "" {
		return nil, nil
	}
	if !common.IsHexAddress(file.Address) {
		return nil, fmt.Errorf("%w: its address is malformed", ErrFormat)
	}
	address := common.HexToAddress(file.Address)
	return &address, nil
}

func inspectKDF(kdf string, params map[string]any) error {
	number := func(name string, low, high float64) bool {
		n, ok := params[name].(float64)
		return ok && n >= low && n <= high && n == float64(int64(n))
	}
	if _, ok := params["salt"].(string); !ok || !number("dklen", 32, 32) {
		return fmt.Errorf("%w: kdfparams must have a salt and a dklen of 32", ErrFormat)
	}
	switch kdf {
	case "scrypt":
		if !number("r", 1, maxScrypt) || !number("p", 1, maxScrypt) || !number("n", 2, maxMemory) {
			return fmt.Errorf("%w: the scrypt parameters are missing or too large", ErrFormat)
		}
		memory := 128 * params["n"].(float64) * params["r"].(float64)
		if memory > maxMemory || memory*params["p"].(float64) > maxWork {
			return fmt.Errorf(
				"%w: the scrypt parameters demand more than %d MB, or more than %d times the work of geth's files",
				ErrFormat, maxMemory>>20, maxWork/maxMemory,
			)
		}
	case "pbkdf2":
		if _, ok := params["prf"].(string); !ok || !number("c", 1, maxRounds) {
			return fmt.Errorf(
				"%w: the pbkdf2 parameters are missing or demand more than %d rounds", ErrFormat,
				maxRounds,
			)
		}
	default:
		return fmt.Errorf("%w: its kdf is neither scrypt nor pbkdf2", ErrFormat)
	}
	return nil
}
