package filestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-5fe1f529/tallystick/store/filestore"
)

func ExampleOpen() {
	base, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(base)

	s, err := filestore.Open(filepath.Join(base, "wallet"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if _, err := s.Put(context.Background(), "channel/0x01", []byte("the state"), 0); err != nil {
		fmt.Println(err)
		return
	}

	again, err := filestore.Open(
		filepath.Join(base, "wallet"),
	) // after a restart, or another program
	if err != nil {
		fmt.Println(err)
		return
	}
	defer again.Close()
	data, rev, err := again.Get(context.Background(), "channel/0x01")
	fmt.Println(string(data), rev, err)
	// Output: the state 1 <nil>
}
