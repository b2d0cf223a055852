package wire_test

import (
	"fmt"
	"net/http"

	"github.com/ethereum/go-ethereum/common"

	"github.com/seed-5fe1f529/tallystick/internal/wire"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

func ExampleParseChallenges() {
	h := http.Header{}
	h.Add(
		"WWW-Authenticate",
		`Bearer realm="api", Payment id="1", realm="api", method="tempo", intent="session", request="e30"`,
	)
	h.Add("WWW-Authenticate", `Payment id="2", realm="api", method="tempo"`)
	challenges, err := wire.ParseChallenges(h)
	for _, c := range challenges {
		fmt.Println(c.ID, c.Method, c.Intent)
	}
	fmt.Println(err)
	// Output:
	// 1 tempo session
	// challenge "2": missing intent
}

func ExampleEcho() {
	c := wire.Challenge{ID: "1", Realm: "api", Method: "tempo", Intent: "session", Request: "e30"}
	echo := wire.NewEcho(
		c,
		wire.FormatSource(42431, common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")),
	)
	header, err := echo.Payload(
		wire.Voucher(common.HexToHash("0x01"), nil, voucher.Units(250), []byte{1, 2, 3}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := wire.ParseCredential(header)
	fmt.Println(back.Source, back.Payload.Action, back.Payload.CumulativeAmount, err)
	// Output: did:pkh:eip155:42431:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266 voucher 250 <nil>
}

func ExampleRank() {
	prefs, err := wire.ParseAcceptPayment("tempo/session, tempo/charge;q=0.5, stripe/*;q=0")
	for _, c := range wire.Rank(prefs, []wire.Challenge{
		{Method: "stripe", Intent: "charge"},
		{Method: "tempo", Intent: "charge"},
		{Method: "tempo", Intent: "session"},
	}) {
		fmt.Println(c.Method, c.Intent)
	}
	fmt.Println(err)
	// Output:
	// tempo session
	// tempo charge
	// <nil>
}
