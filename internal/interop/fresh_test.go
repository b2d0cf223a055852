package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/channel/escrow"
	"github.com/seed-5fe1f529/tallystick/client"
	"github.com/seed-5fe1f529/tallystick/store"
	"github.com/seed-5fe1f529/tallystick/store/filestore"
	"github.com/seed-5fe1f529/tallystick/voucher"
)

// freshJob is the environment variable that turns the test binary into one payer.
const freshJob = "TALLYSTICK_INTEROP_JOB"

// job is what a payer in a process of its own is to do: pay for one URL.
type job struct {
	Key, RPC, URL string
	Dir           string // of the store; empty is a store in memory
	Bootstrap     bool
}

// report is what it says afterwards.
type report struct {
	Status    int
	ChannelID common.Hash
	Signed    voucher.Amount
	Opened    bool
}

// fresh pays in a process that knows nothing but its key and, with a directory, its store.
func (p *payer) fresh(path, dir string, bootstrap bool) (r report) {
	p.t.Helper()
	self, err := os.Executable()
	require.NoError(p.t, err)
	j, err := json.Marshal(job{Key: hexKey(p.key), RPC: p.w.chain.url, URL: p.w.url + path, Dir: dir, Bootstrap: bootstrap})
	require.NoError(p.t, err)
	cmd := exec.CommandContext(p.t.Context(), self)
	cmd.Env = append(os.Environ(), freshJob+"="+string(j))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(p.t, err, "%s", stderr.String())
	require.NoError(p.t, json.Unmarshal(out, &r))
	require.Equal(p.t, http.StatusOK, r.Status)
	return r
}

// runFresh is the process.
func runFresh(text string) int {
	var j job
	err := json.Unmarshal([]byte(text), &j)
	var r report
	if err == nil {
		r, err = j.run(context.Background())
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (j job) run(ctx context.Context) (r report, err error) {
	key, err := voucher.ParseKey(j.Key)
	if err != nil {
		return r, err
	}
	chain, err := escrow.Dial(ctx, j.RPC)
	if err != nil {
		return r, err
	}
	defer chain.Close()
	cfg := client.Config{Signer: key, Payer: key, Chain: chain, Store: store.NewMem(), Limits: limits, Bootstrap: j.Bootstrap, FundAsNeeded: true}
	if j.Dir != "" {
		files, err := filestore.Open(j.Dir)
		if err != nil {
			return r, err
		}
		defer files.Close()
		cfg.Store = files
	}
	cfg.OnEvent = func(e client.Event) { r.Opened = r.Opened || e.Kind == client.EventOpened }
	session, err := client.New(cfg)
	if err != nil {
		return r, err
	}
	resp, err := session.Client().Get(j.URL)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return r, err
	}
	r.Status = resp.StatusCode
	if paid := client.PaymentOf(resp); paid != nil {
		r.ChannelID, r.Signed = paid.ChannelID, paid.Cumulative
	}
	return r, session.Close(ctx)
}
