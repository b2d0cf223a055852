// Package keyfile reads and writes private keys as encrypted files: Web3 Secret Storage version 3, the
// format of geth and most wallets. It is a package of its own so that programs whose keys lie elsewhere
// do not link it.
//
// [Load] takes most of a second and 256 MB for a file made by [Save] or geth: scrypt is slow on purpose. Load once,
// at the start.
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
	// ErrPassword means that the password does not open the file, or that Save was given none.
	ErrPassword = errors.New("keyfile: wrong or missing password")
	// ErrFormat means that the file is not a keystore file of version 3, or asks for absurdly much work.
	ErrFormat = errors.New("keyfile: not a version 3 keystore file")
)

// Load reads the key file at path and returns its signer. The errors are [ErrPassword], [ErrFormat] and those
// of reading a file (fs.ErrNotExist). None of them shows the key or the password.
func Load(path, password string) (*voucher.KeySigner, error) {
	raw, err := read(path)
	if err != nil {
		return nil, err
	}
	signer, err := open(raw, password)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", err, path)
	}
	return signer, nil
}

// open decrypts the text of a key file.
func open(raw []byte, password string) (*voucher.KeySigner, error) {
	address, err := inspect(raw)
	if err != nil {
		return nil, err
	}
	key, err := keystore.DecryptKey(raw, password)
	switch {
	case errors.Is(err, keystore.ErrDecrypt):
		return nil, ErrPassword
	case err != nil:
		return nil, fmt.Errorf("%w: its key or one of its fields is broken", ErrFormat)
	}
	signer, err := voucher.NewKeySigner(key.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if address != nil && *address != signer.Address() {
		return nil, fmt.Errorf("%w: it says address %s and holds the key of %s", ErrFormat, address, signer.Address())
	}
	return signer, nil
}

// Save writes the key to a new file at path that only its owner may read (mode 0600), encrypted with the
// password. It never overwrites: where path exists the error wraps fs.ErrExist and the file there is
// untouched. When it returns nil the file is on the disk. An empty password is [ErrPassword].
func Save(path string, key *ecdsa.PrivateKey, password string) error {
	return save(path, key, password, keystore.StandardScryptN, keystore.StandardScryptP)
}

func save(path string, key *ecdsa.PrivateKey, password string, scryptN, scryptP int) error {
	if password == "" {
		return fmt.Errorf("%w: choose one, the file protects the key with nothing else", ErrPassword)
	}
	signer, err := voucher.NewKeySigner(key) // the curve and the range of the key
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	raw, err := keystore.EncryptKey(&keystore.Key{Id: randomID(), Address: signer.Address(), PrivateKey: key}, password, scryptN, scryptP)
	if err != nil {
		return fmt.Errorf("keyfile: encrypting the key: %w", err)
	}
	return create(path, raw)
}

// randomID is a version 4 UUID, which the format wants and nothing reads.
func randomID() (id [16]byte) {
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// create writes a file that was not there before, and its directory entry, to the disk.
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
		return fmt.Errorf("keyfile: do not use this key, %s is not safely written: %w", path, err)
	}
	return nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there, and need not be
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
