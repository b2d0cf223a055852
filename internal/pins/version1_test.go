package pins_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/internal/pins"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/storetest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// golden are the keys of the records in testdata/version1, which the first program of version 1
// wrote. They are never written anew.
var golden = map[string]string{
	"pay-v1.json":       "pin/a94805e9c0a43c4f69a3d257236b577ba3a24b9b7e85cd008edbf4d769d75025",
	"pay-v2.json":       "pin/7686dc3932ee55a068d1a7e2e85e2a2eabe3d47071a635fb8a4bfb930029be26",
	"respelled-v2.json": "pin/38853c2cd46c5f12f4f6eced7dca0b3e270f5c21b5da60e594a4307f8debb830",
}

// books is the origin of respelled-v2.json as it is spelled now.
const books = "https://xn--bcher-kva.example:443"

func goldenStore(t *testing.T) store.Store {
	t.Helper()
	s := store.NewMem()
	for name, key := range golden {
		data, err := os.ReadFile(filepath.Join("testdata/version1", name))
		require.NoError(t, err)
		_, err = s.Put(t.Context(), key, data, 0)
		require.NoError(t, err)
	}
	return s
}

// were returns the offers that the golden records accept.
func were() (v1, v2, respelled pins.Offer) {
	terms := channel.Terms{
		ChainID: 42431, Operator: common.HexToAddress("0xdd"),
		Token: common.HexToAddress("0x20c0000000000000000000000000000000000000"),
	}
	v1 = pins.Offer{Origin: shop, Route: "GET /v1/data", Terms: terms}
	v1.Terms.Protocol, v1.Terms.Payee, v1.Terms.Unit = voucher.V1, common.HexToAddress("0xbb"),
		"request"
	v1.Terms.Escrow = common.HexToAddress("0xe1c4d3dce17bc111181ddf716f75bae49e61a336")
	v2 = pins.Offer{Origin: shop, Route: "GET /stream", Terms: terms}
	v2.Terms.Protocol, v2.Terms.Payee, v2.Terms.Unit = voucher.V2, common.HexToAddress("0xaa"),
		"chunk"
	v2.Terms.Escrow = common.HexToAddress("0x4d50500000000000000000000000000000000000")
	respelled = v2
	respelled.Origin, respelled.Route, respelled.Terms.Payee, respelled.Terms.Unit = books,
		"POST /book", common.HexToAddress("0xcc"), "page"
	return v1, v2, respelled
}

// judge checks that what the golden records accept is accepted, and nothing else is.
func judge(t *testing.T, s store.Store) {
	t.Helper()
	ctx, b := t.Context(), pins.New(s)
	v1, v2, respelled := were()
	for _, o := range []pins.Offer{v1, v2, respelled} {
		other := o
		other.Terms.Payee[0]++
		c := conflict(t, b.Check(ctx, other))
		assert.Len(t, c.Accepted, map[string]int{shop: 2, books: 1}[o.Origin])
		other = o
		other.Terms.Unit = "byte"
		c = conflict(t, b.Check(ctx, other))
		assert.True(t, c.Known)
		assert.Equal(t, []string{o.Terms.Unit}, c.Units)
		require.NoError(t, b.Check(ctx, o))
	}
	all := list(t, s)
	assert.Len(t, all, 3)
	for _, p := range all {
		assert.Contains(t, []string{shop, books}, p.Origin)
		assert.Equal(t, 2026, p.Since.Year())
	}
}

func TestRecordsOfVersion1AreHonored(t *testing.T) {
	s := goldenStore(t)
	judge(t, s)
	for e, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
		assert.EqualValues(t, 1, e.Rev)
		assert.Contains(t, golden, filepath.Base(file(e.Key)),
			"what is accepted already writes nothing")
	}
}

func file(key string) string {
	for name, k := range golden {
		if k == key {
			return name
		}
	}
	return key
}

// TestRecordsOfVersion1AreMoved with the next write of their origin, in which they are no longer
// read.
func TestRecordsOfVersion1AreMoved(t *testing.T) {
	ctx, s := t.Context(), goldenStore(t)
	_, v2, respelled := were()
	for _, o := range []pins.Offer{v2, respelled} {
		o.Route = "GET /new"
		require.NoError(t, pins.New(s).Check(ctx, o))
	}
	judge(t, s)
	for _, key := range golden {
		_, rev, err := s.Get(ctx, key)
		require.NoError(t, err)
		_, err = s.Put(ctx, key, []byte("{}"), rev)
		require.NoError(t, err)
	}
	b := pins.New(s)
	v1, v2, respelled := were()
	for _, o := range []pins.Offer{v1, v2, respelled} {
		require.NoError(t, b.Check(ctx, o))
		o.Terms.Unit = "byte"
		conflict(t, b.Check(ctx, o))
	}
}

// TestEveryWriteOfAMoveFails: whatever was stored by then, the same is accepted as before.
func TestEveryWriteOfAMoveFails(t *testing.T) {
	for _, how := range []storetest.Fault{storetest.Failed, storetest.FailedButStored} {
		for n := 1; ; n++ {
			ctx, s := t.Context(), storetest.NewFaulty(goldenStore(t))
			s.FailPut(n, how)
			_, v2, _ := were()
			v2.Route = "GET /new"
			err := pins.New(s).Check(ctx, v2)
			if !s.Fired() {
				require.Equal(t, 2, n, "it is one write")
				break
			}
			require.Error(t, err)
			judge(t, s)
			require.NoError(t, pins.New(s).Check(ctx, v2))
			judge(t, s)
		}
	}
}

// TestDamagedRecordOfVersion1 stops its origin.
func TestDamagedRecordOfVersion1(t *testing.T) {
	ctx, s := t.Context(), goldenStore(t)
	v1, v2, respelled := were()
	key := golden["pay-v1.json"]
	_, err := s.Put(ctx, key, []byte(`{"version":1}`), 1)
	require.NoError(t, err)
	b := pins.New(s)
	for _, o := range []pins.Offer{v1, v2} {
		require.ErrorIs(t, b.Check(ctx, o), channel.ErrRecord)
	}
	require.NoError(t, b.Check(ctx, respelled))
	var bad error
	for _, err := range b.All(ctx) {
		bad = errors.Join(bad, err)
	}
	require.ErrorIs(t, bad, channel.ErrRecord)
}
