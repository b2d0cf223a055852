package message

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/gowebpki/jcs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/internal/vectors"
)

// madeByMppx lists credentials that mppx made.
type madeByMppx struct {
	Cases []struct {
		ID, Kind, SecretKey, Authorization string
	}
	AuthorizationResults []struct {
		Name, Authorization string
		Mppx                struct{ Ok bool }
	}
}

func header(value string) http.Header { return http.Header{"Authorization": {value}} }

// TestCredentialsOfMppx reads credentials of mppx: the challenge in each matches its id, and the
// payload has the fields of its action.
func TestCredentialsOfMppx(t *testing.T) {
	v := vectors.Load[madeByMppx](t, vectors.Credential)
	for _, one := range v.Cases {
		t.Run(one.ID+" "+one.Kind, func(t *testing.T) {
			c, err := ReadCredential(header(one.Authorization), "Authorization")
			require.NoError(t, err)
			assert.Equal(t, c.Challenge.ID, c.Challenge.MAC([]byte(one.SecretKey)))
			if one.Kind == "proof" {
				assert.Equal(t, "proof", c.Payload.Action())
				return
			}
			p, err := c.Payload.ReadPayload()
			require.NoError(t, err)
			assert.Equal(t, strings.HasPrefix(one.Kind, "v2"), p.Descriptor != nil)
			action, _, _ := strings.Cut(one.Kind[3:], "-")
			assert.Equal(t, action, p.Action)
		})
	}
	for _, one := range v.AuthorizationResults {
		_, err := ReadCredential(header(one.Authorization), "Authorization")
		assert.Equal(t, one.Mppx.Ok, err == nil, one.Name)
	}
}

func TestOfficialChallengeIDs(t *testing.T) {
	type official struct {
		Scenarios []struct {
			Name  string
			Input struct {
				SecretKey, Realm, Method, Intent, Expires, Digest, Header, Opaque string
				Request                                                           json.RawMessage
			}
			Expected string
		}
	}
	v := vectors.Load[official](t, vectors.OfficialChallengeID)
	for _, one := range v.Scenarios {
		in := one.Input
		if one.Expected == "" {
			continue // a secret that a server must not use
		}
		canonical, err := jcs.Transform(in.Request)
		require.NoError(t, err)
		c := Challenge{
			Realm: in.Realm, Method: in.Method, Intent: in.Intent,
			Request: base64.RawURLEncoding.EncodeToString(canonical), Expires: in.Expires,
			Digest: in.Digest, Header: in.Header, Opaque: in.Opaque,
		}
		if strings.EqualFold(c.Header, "Authorization") {
			c.Header = ""
		}
		assert.Equal(t, one.Expected, c.MAC([]byte(in.SecretKey)), one.Name)
	}
}

func TestUnreadableCredentials(t *testing.T) {
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, token := range map[string]string{
		"padded":               encode(`{"challenge":{"id":"a","request":"b"},"payload":{}}`) + "=",
		"not an object":        encode(`[]`),
		"challenge is null":    encode(`{"challenge":null,"payload":{}}`),
		"challenge is a text":  encode(`{"challenge":"a","payload":{}}`),
		"no id":                encode(`{"challenge":{"request":"b"},"payload":{}}`),
		"no request":           encode(`{"challenge":{"id":"a"},"payload":{}}`),
		"id is a number":       encode(`{"challenge":{"id":1,"request":"b"},"payload":{}}`),
		"source is a number":   encode(`{"challenge":{"id":"a","request":"b"},"payload":{},"source":1}`),
		"source is null":       encode(`{"challenge":{"id":"a","request":"b"},"payload":{},"source":null}`),
		"payload is a text":    encode(`{"challenge":{"id":"a","request":"b"},"payload":"x"}`),
		"too long":             strings.Repeat("A", maxCredential+1),
		"key in another case":  encode(`{"Challenge":{"id":"a","request":"b"},"payload":{}}`),
		"two values, no comma": encode(`{}`) + " " + encode(`{}`),
	} {
		c, err := ReadCredential(header("Payment "+token), "Authorization")
		require.Error(t, err, name)
		assert.Nil(t, c, name)
	}
	c, err := ReadCredential(header("Payments "+encode(`{}`)), "Authorization")
	require.NoError(t, err)
	assert.Nil(t, c, "another scheme")
	_, err = Object{"action": []byte(`"voucher"`), "descriptor": []byte(`1`)}.ReadPayload()
	require.Error(t, err)
}

// FuzzCredential reads any header value. A payload that is accepted has the fields that its action
// needs.
func FuzzCredential(f *testing.F) {
	for _, one := range vectors.Load[madeByMppx](f, vectors.Credential).Cases {
		f.Add(one.Authorization)
	}
	f.Fuzz(func(t *testing.T, value string) {
		c, err := ReadCredential(header(value), "Authorization")
		if err != nil || c == nil {
			return
		}
		p, err := c.Payload.ReadPayload()
		if err != nil {
			return
		}
		if p.Action != "topUp" && p.Signature == nil ||
			p.Action == "topUp" && p.Transaction == nil {
			t.Errorf("a %s without what it needs: %s", p.Action, hexutil.Encode([]byte(value)))
		}
	})
}
