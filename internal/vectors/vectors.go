// Package vectors holds test data that other implementations made. README.md names the origin of
// each file and describes its fields.
//
//	for _, c := range vectors.Cases[voucherCase](t, vectors.VoucherV2) { … }
//
// An empty list is a failure: a test that finds no cases would pass without testing anything.
package vectors

import (
	"embed"
	"encoding/json"
	"reflect"
	"strings"
)

//go:embed *.json official/*.json
var files embed.FS

// File names one file of this package.
type File string

// The files.
const (
	Calldata          File = "calldata.json"
	ChannelIDV1       File = "channel-id-v1.json"
	ChannelIDV2       File = "channel-id-v2.json"
	Credential        File = "credential.json"
	ExpiringNonceHash File = "expiring-nonce-hash.json"
	Proof             File = "proof.json"
	Receipt           File = "receipt.json"
	Snapshot          File = "snapshot.json"
	SSE               File = "sse.json"
	TempoTx           File = "tempo-tx.json"
	Traces            File = "traces.json"
	VoucherV1         File = "voucher-v1.json"
	VoucherV2         File = "voucher-v2.json"

	OfficialAuthorization   File = "official/authorization.json"
	OfficialBase64URL       File = "official/base64url.json"
	OfficialChallengeID     File = "official/challenge-id.json"
	OfficialWWWAuthenticate File = "official/www-authenticate.json"
)

// TB is the part of testing.TB that the functions of this package use.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Load reads a file into a T, which is a struct with a field for each list that the test uses. The
// test fails if the file cannot be read into it, or if one of these lists is empty.
func Load[T any](t TB, f File) T {
	t.Helper()
	var v T
	text, err := files.ReadFile(string(f))
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatalf("vectors: %s: %v", f, err)
	}
	if list := emptyList(reflect.ValueOf(v)); list != "" {
		t.Fatalf("vectors: %s has no %s", f, list)
	}
	return v
}

// Cases returns the list "cases" of a file. The test fails if it is empty.
func Cases[C any](t TB, f File) []C {
	t.Helper()
	return Load[struct{ Cases []C }](t, f).Cases
}

// emptyList returns the name of a list of the file that is empty, or "".
func emptyList(file reflect.Value) string {
	for i := range file.NumField() {
		if field := file.Field(i); field.Kind() == reflect.Slice && field.Len() == 0 {
			return strings.ToLower(file.Type().Field(i).Name)
		}
	}
	return ""
}
