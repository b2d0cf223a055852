package libraries

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	goopenai "github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/seed-5fe1f529/tallystick/client"
)

// caller asks the API at an address for a completion and for a stream of it, through an HTTP
// client.
type caller struct {
	whole    func(ctx context.Context) (string, error)
	streamed func(ctx context.Context) (string, error)
}

// official is github.com/openai/openai-go.
func official(url string, c *http.Client, opts ...option.RequestOption) caller {
	api := openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(url + "/v1/"), option.WithAPIKey(apiKey), option.WithHTTPClient(c),
	}, opts...)...)
	params := openai.ChatCompletionNewParams{
		Model:    "poet",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("a poem")},
	}
	return caller{
		func(ctx context.Context) (string, error) {
			got, err := api.Chat.Completions.New(ctx, params)
			if err != nil {
				return "", err
			}
			return got.Choices[0].Message.Content, nil
		},
		func(ctx context.Context) (string, error) {
			s := api.Chat.Completions.NewStreaming(ctx, params)
			defer s.Close()
			var b strings.Builder
			for s.Next() {
				b.WriteString(s.Current().Choices[0].Delta.Content)
			}
			return b.String(), s.Err()
		},
	}
}

// community is github.com/sashabaranov/go-openai.
func community(url string, c *http.Client) caller {
	cfg := goopenai.DefaultConfig(apiKey)
	cfg.BaseURL, cfg.HTTPClient = url+"/v1", c
	api := goopenai.NewClientWithConfig(cfg)
	asked := goopenai.ChatCompletionRequest{
		Model:    "poet",
		Messages: []goopenai.ChatCompletionMessage{{Role: "user", Content: "a poem"}},
	}
	return caller{
		func(ctx context.Context) (string, error) {
			got, err := api.CreateChatCompletion(ctx, asked)
			if err != nil {
				return "", err
			}
			return got.Choices[0].Message.Content, nil
		},
		func(ctx context.Context) (string, error) {
			s, err := api.CreateChatCompletionStream(ctx, asked)
			if err != nil {
				return "", err
			}
			defer s.Close()
			var b strings.Builder
			for {
				got, err := s.Recv()
				if errors.Is(err, io.EOF) {
					return b.String(), nil
				}
				if err != nil {
					return b.String(), err
				}
				b.WriteString(got.Choices[0].Delta.Content)
			}
		},
	}
}

// direct sends the requests itself.
func direct(url string, c *http.Client) caller {
	ask := func(ctx context.Context, body string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+chat, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+apiKey)
		resp, err := c.Do(req)
		if err == nil && resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close()
			return nil, errors.New(resp.Status)
		}
		return resp, err
	}
	text := func(body io.Reader, mark string) (string, error) {
		var b strings.Builder
		lines := bufio.NewScanner(body)
		for lines.Scan() {
			if _, rest, found := strings.Cut(lines.Text(), mark); found {
				content, _, _ := strings.Cut(rest, `"`)
				b.WriteString(content)
			}
		}
		return b.String(), lines.Err()
	}
	read := func(body string) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			resp, err := ask(ctx, body)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			return text(resp.Body, `"content":"`)
		}
	}
	return caller{read(`{}`), read(`{"stream":true}`)}
}

// retrying returns a client of go-retryablehttp above the session.
func retrying(s *client.Session) *retryablehttp.Client {
	c := retryablehttp.NewClient()
	c.HTTPClient, c.Logger = s.Client(), nil
	return c
}

// TestPaid: each library gets a completion and a stream of it, with the API's key and the payment
// in one request, and pays what they cost.
func TestPaid(t *testing.T) {
	for name, above := range map[string]func(t *testing.T, a *api, s *client.Session) caller{
		"openai-go": func(_ *testing.T, a *api, s *client.Session) caller {
			return official(a.URL, s.Client())
		},
		"go-openai": func(_ *testing.T, a *api, s *client.Session) caller {
			return community(a.URL, s.Client())
		},
		"go-retryablehttp": func(_ *testing.T, a *api, s *client.Session) caller {
			return direct(a.URL, retrying(s).StandardClient())
		},
		"otelhttp": func(_ *testing.T, a *api, s *client.Session) caller {
			traced := otelhttp.NewTransport(&client.Transport{Session: s})
			return direct(a.URL, &http.Client{Transport: traced})
		},
		"otelhttp below": func(_ *testing.T, a *api, s *client.Session) caller {
			traced := otelhttp.NewTransport(http.DefaultTransport)
			own := &client.Transport{Session: s, Base: traced}
			return direct(a.URL, &http.Client{Transport: own})
		},
		"ReverseProxy": func(t *testing.T, a *api, s *client.Session) caller {
			return official(proxy(t, a.URL, s), http.DefaultClient)
		},
		"go-openai over go-retryablehttp over otelhttp": func(
			_ *testing.T, a *api, s *client.Session,
		) caller {
			c := retrying(s)
			c.HTTPClient.Transport = otelhttp.NewTransport(c.HTTPClient.Transport)
			return community(a.URL, c.StandardClient())
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t, separate)
			s := newSession(t, a.Server)
			c := above(t, a, s)
			whole, streamed := uint64(0), uint64(0)
			for range 2 {
				got, err := c.streamed(t.Context())
				require.NoError(t, err)
				assert.Equal(t, strings.Join(words, " "), got)
				streamed++
				got, err = c.whole(t.Context())
				require.NoError(t, err)
				assert.Equal(t, strings.Join(words, " "), got)
				whole++
			}
			// Libraries that stop at a stream's [DONE] do not read its receipt. What was reserved for
			// it stays counted until the next receipt after it has ended, which may take a moment
			// behind a proxy.
			for ; whole < 1000 && !settled(t, a, s); whole++ {
				_, err := c.whole(t.Context())
				require.NoError(t, err)
			}
			assert.Equal(t, u((whole+streamed*uint64(len(words)))*price), spent(t, a, s))
			assert.Zero(t, a.keyless.Load(), "every request had the API's key, those for vouchers too")
		})
	}
}

// proxy starts a reverse proxy that pays for what passes it, and returns its address.
func proxy(t testing.TB, target string, s *client.Session) string {
	t.Helper()
	to, err := url.Parse(target)
	require.NoError(t, err)
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: &client.Transport{Session: s},
		ErrorLog:  log.New(io.Discard, "", 0),
	})
	t.Cleanup(front.Close)
	return front.URL
}

// TestStreamEventsOverAndUnderATransport: [client.NewStream] shows the payment events although a
// library has wrapped the body, above or below the client's transport.
func TestStreamEventsOverAndUnderATransport(t *testing.T) {
	a := newAPI(t, separate)
	s := newSession(t, a.Server)
	for name, transport := range map[string]http.RoundTripper{
		"over":  otelhttp.NewTransport(&client.Transport{Session: s}),
		"under": &client.Transport{Session: s, Base: otelhttp.NewTransport(http.DefaultTransport)},
	} {
		t.Run(name, func(t *testing.T) {
			body := strings.NewReader(`{"stream":true}`)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.URL+chat, body)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+apiKey)
			resp, err := (&http.Client{Transport: transport}).Do(req)
			require.NoError(t, err)
			events, err := client.NewStream(resp)
			require.NoError(t, err)
			defer events.Close()
			messages, payments := 0, 0
			for e, err := range events.Events() {
				require.NoError(t, err)
				if e.Type != "" {
					messages++
				} else {
					payments++
				}
			}
			assert.Equal(t, len(words)+1, messages)
			assert.Positive(t, payments)
			assert.NotNil(t, client.PaymentOf(resp).Receipt())
		})
	}
}
