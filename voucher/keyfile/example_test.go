package keyfile_test

import (
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
