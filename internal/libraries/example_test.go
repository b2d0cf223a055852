package libraries

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	goopenai "github.com/sashabaranov/go-openai"

	"github.com/seed-5fe1f529/tallystick/channel"
	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// started returns a paid API and a session that pays it.
func started() (*api, *client.Session) {
	srv, err := clienttest.Start(separate)
	if err != nil {
		panic(err)
	}
	a := &api{Server: srv}
	a.serve()
	key, err := voucher.ParseKey(srv.Payer().Hex)
	if err != nil {
		panic(err)
	}
	chain, err := escrow.Dial(context.Background(), srv.RPCURL)
	if err != nil {
		panic(err)
	}
	session, err := client.New(client.Config{
		Signer: key, Payer: key, Chain: chain,
		Limits: channel.Limits{Price: u(1000), Deposit: u(100_000), Stream: u(1000)},
	})
	if err != nil {
		panic(err)
	}
	return a, session
}

func Example_openaiGo() {
	a, session := started()
	defer a.Close()
	ctx, token, baseURL := context.Background(), a.Token, a.URL+"/v1/"
	api := openai.NewClient(
		option.WithBaseURL(baseURL),
		option.WithAPIKey(apiKey),
		option.WithHTTPClient(session.Client()),
	)
	// All tries of the library together may cost this much.
	once := client.NewBudget(channel.Asset{ChainID: a.ChainID, Token: token}, voucher.Units(200))
	stream := api.Chat.Completions.NewStreaming(
		client.WithBudget(ctx, once),
		openai.ChatCompletionNewParams{
			Model:    "poet",
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("a poem")},
		},
	)
	for stream.Next() {
		fmt.Print(stream.Current().Choices[0].Delta.Content)
	}
	fmt.Println(stream.Err())
	// Output: so much depends upon a red wheel barrow<nil>
}

func Example_goOpenAI() {
	a, session := started()
	defer a.Close()
	ctx := context.Background()
	cfg := goopenai.DefaultConfig(apiKey)
	cfg.BaseURL, cfg.HTTPClient = a.URL+"/v1", session.Client()
	api := goopenai.NewClientWithConfig(cfg)
	got, err := api.CreateChatCompletion(ctx, goopenai.ChatCompletionRequest{
		Model:    "poet",
		Messages: []goopenai.ChatCompletionMessage{{Role: "user", Content: "a poem"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(got.Choices[0].Message.Content)
	// Output: so much depends upon a red wheel barrow
}

// Retrying returns a client that makes a failed request again. All of its tries are one purchase.
func Retrying(session *client.Session) *http.Client {
	retry := retryablehttp.NewClient()
	retry.HTTPClient = session.Client()
	retry.Logger = nil // it logs URLs
	retry.ErrorHandler = retryablehttp.PassthroughErrorHandler
	retry.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		var payment *client.Error
		if ctx.Err() == nil && errors.As(err, &payment) {
			switch payment.Outcome {
			case client.OutcomeUnknown, client.OutcomeAcceptedNoContent:
				// The tries have one key, so it is paid once.
				return !errors.Is(err, client.ErrPaidBefore) && !errors.Is(err, channel.ErrLimit), nil
			}
			return payment.Retryable(), nil
		}
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	return &http.Client{Transport: oneKey{&retryablehttp.RoundTripper{Client: retry}}}
}

// oneKey gives all tries of a request one Idempotency-Key.
type oneKey struct{ retry http.RoundTripper }

func (k oneKey) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("Idempotency-Key") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("Idempotency-Key", rand.Text())
	}
	return k.retry.RoundTrip(req)
}

// careful returns a client that sends nothing again that was paid, or may have been.
func careful(session *client.Session) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient = session.Client()
	c.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		var e *client.Error
		if errors.As(err, &e) && !e.Retryable() {
			return false, err
		}
		if paid := client.PaymentOf(resp); paid != nil && paid.Outcome != client.OutcomeNone {
			return false, nil
		}
		return retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	}
	return c
}

func Example_reverseProxy() {
	a, session := started()
	defer a.Close()
	target, err := url.Parse(a.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &client.Transport{Session: session},
	}
	front := httptest.NewServer(proxy) // a server on loopback: whoever reaches it spends your money
	defer front.Close()
	resp, err := http.Get(front.URL + "/data")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, resp.Header.Get("Payment-Receipt") != "")
	// Output: 200 OK true
}
