package keyfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "keyfile")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "payer.json")

	key, err := crypto.GenerateKey()
	if err != nil {
		panic(err)
	}
	fmt.Println(keyfile.Save(path, key, "correct horse"))

	signer, err := keyfile.Load(path, "correct horse")
	fmt.Println(signer.Address() == crypto.PubkeyToAddress(key.PublicKey), err)
	// Output:
	// <nil>
	// true <nil>
}

func ExampleDecrypt() {
	// A file that geth made, from a secret manager that writes to a pipe.
	const text = `{"version":3,"id":"a4fd6e52-4d3c-4ac6-a4cc-5cc6e5c9c9ee","crypto":{}}`
	_, err := keyfile.Decrypt([]byte(text), "correct horse")
	fmt.Println(errors.Is(err, keyfile.ErrFormat))
	// Output:
	// true
}
