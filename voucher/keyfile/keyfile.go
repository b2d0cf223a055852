// Package keyfile reads and writes private keys as encrypted files in Web3 Secret Storage version
// 3, the format of geth and most wallets. It is a separate package so that programs with other keys
// do not link it.
//
// [Load] takes most of a second and 256 MB for a file made by [Save] or geth, because scrypt is slow on
// purpose. Call it once at the start of a program. It refuses a file that demands more memory or more
// than eight times the work, with [ErrFormat].
package keyfile

import (
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ethereum/go-ethereum/accounts/keystore"

	"github.com/seed-5fe1f529/tallystick/voucher"
)

var (
	// ErrPassword means that the password is wrong, or that Save was called without one.
	ErrPassword = errors.New("keyfile: wrong or missing password")
	// ErrFormat means that the file is not a keystore file of version 3, or demands too much work.
	ErrFormat = errors.New("keyfile: not a version 3 keystore file")
)

// Load reads the key file at path and returns a signer for its key. The errors are [ErrPassword],
// [ErrFormat] and those of reading a file, such as fs.ErrNotExist. Except on Windows it refuses a file
// that others may change, itself or by writing to a directory on the way to it. It refuses what is not
// a regular file, and never waits for one. No error shows the key or the password.
func Load(path, password string) (*voucher.KeySigner, error) {
	raw, err := read(path)
	if err != nil {
		return nil, err
	}
	signer, err := Decrypt(raw, password)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return signer, nil
}

// Decrypt is like [Load] for the text of a key file that was read otherwise, for example from a pipe. The
// errors are [ErrPassword] and [ErrFormat].
func Decrypt(raw []byte, password string) (*voucher.KeySigner, error) {
	address, err := inspect(raw)
	if err != nil {
		return nil, err
	}
	key, err := keystore.DecryptKey(raw, password)
	switch {
	case errors.Is(err, keystore.ErrDecrypt):
		return nil, ErrPassword
	case err != nil:
		return nil, fmt.Errorf("%w: its key or one of its fields is malformed", ErrFormat)
	}
	signer, err := voucher.NewKeySigner(key.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if address != nil && *address != signer.Address() {
		return nil, fmt.Errorf(
			"%w: it names address %s but contains the key of %s", ErrFormat, address,
			signer.Address(),
		)
	}
	return signer, nil
}

// Save writes the secp256k1 key to a new file at path that only its owner may read (mode 0600), encrypted
// with the password. It never overwrites a file: if path exists, the error wraps fs.ErrExist. If it
// returns nil, the file has been synced to disk. An empty password is [ErrPassword]; other errors are
// those of writing a file.
func Save(path string, key *ecdsa.PrivateKey, password string) error {
	return save(path, key, password, keystore.StandardScryptN, keystore.StandardScryptP)
}

func save(path string, key *ecdsa.PrivateKey, password string, scryptN, scryptP int) error {
	if password == "" {
		return fmt.Errorf(
			"%w: a password is required, because nothing else protects the key", ErrPassword,
		)
	}
	signer, err := voucher.NewKeySigner(key) // checks the curve and the range of the key
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	raw, err := keystore.EncryptKey(
		&keystore.Key{Id: randomID(), Address: signer.Address(), PrivateKey: key}, password,
		scryptN, scryptP,
	)
	if err != nil {
		return fmt.Errorf("keyfile: encrypting the key: %w", err)
	}
	return create(path, raw)
}

// randomID returns a version 4 UUID. The format requires one.
func randomID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// create writes a new file and its directory entry and syncs both.
func create(path string, raw []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("keyfile: %s was not written safely, do not use its key: %w", path, err)
	}
	return nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced on Windows and need not be
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
