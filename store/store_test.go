package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
)

func TestMem(t *testing.T) {
	storetest.Run(t, func(testing.TB) store.Store { return store.NewMem() })
}

func TestListEndsWithItsContext(t *testing.T) {
	m := store.NewMem()
	for _, key := range []string{"a", "b", "c"} {
		_, err := m.Put(t.Context(), key, nil, 0)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	var last error
	for e, err := range m.List(ctx, "") {
		got, last = append(got, e.Key), err
		cancel()
	}
	assert.Equal(t, []string{"a", ""}, got)
	require.ErrorIs(t, last, context.Canceled)
}

func TestCheckNamesWhatIsWrong(t *testing.T) {
	require.NoError(t, store.Check("channel/0xab", make([]byte, store.MaxRecord)))
	assert.ErrorContains(t, store.Check("Channel", nil), `'C' in "Channel"`)
	assert.ErrorContains(t, store.Check("k", make([]byte, store.MaxRecord+1)), "65537 bytes")
}

// To change a record, read it, decide, and write it with the revision that was read. After a
// conflict, read and decide again.
func ExampleStore() {
	ctx := context.Background()
	var s store.Store = store.NewMem()

	rev, err := s.Put(ctx, "channel/0x01", []byte(`{"authorized":"100"}`), 0)
	fmt.Println("created at", rev, err)

	_, err = s.Put(ctx, "channel/0x01", []byte(`{"authorized":"200"}`), 0)
	fmt.Println("lost the race:", errors.Is(err, store.ErrConflict))

	data, rev, err := s.Get(ctx, "channel/0x01")
	fmt.Printf("%s at %d %v\n", data, rev, err)
	// Output:
	// created at 1 <nil>
	// lost the race: true
	// {"authorized":"100"} at 1 <nil>
}

func ExampleMem_List() {
	ctx := context.Background()
	s := store.NewMem()
	for _, key := range []string{"scope/2f", "channel/0x02", "channel/0x01"} {
		if _, err := s.Put(ctx, key, []byte("of "+key), 0); err != nil {
			fmt.Println(err)
		}
	}
	for e, err := range s.List(ctx, "channel/") {
		fmt.Println(e.Key, string(e.Data), e.Rev, err)
	}
	// Output:
	// channel/0x01 of channel/0x01 1 <nil>
	// channel/0x02 of channel/0x02 1 <nil>
}
