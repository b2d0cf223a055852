//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-5fe1f529/tallystick/client/clienttest"
	"github.com/seed-5fe1f529/tallystick/client/clienttest/lies"
)

// paidGet is the command that docs/policy.md gives to agents, with the files of a test. Its environment is an
// agent's, who tries what a variable can do.
func (s *shell) paidGet(policy string, args ...string) ended {
	s.t.Helper()
	text, err := os.ReadFile("../../docs/policy.md")
	require.NoError(s.t, err)
	found := regexp.MustCompile("(?s)```sh\n(#!/bin/sh\n# paid-get.*?)```").FindSubmatch(text)
	require.NotNil(s.t, found)
	script := string(found[1])
	for _, change := range [][2]string{
		{"1https://", "1http://"},
		{"/usr/local/bin/tally", "/usr/bin/env " + asTally + "=1 '" + os.Args[0] + "'"},
		{"/etc/payer/policy.toml", policy},
		{"/etc/payer/key.hex", s.env["TALLY_KEY_FILE"]},
		{"/var/lib/payer/store", s.env["TALLY_STORE"]},
		{"https://rpc.example", s.srv.RPCURL},
	} {
		require.Equal(s.t, 1, strings.Count(script, change[0]), change[0])
		script = strings.Replace(script, change[0], change[1], 1)
	}
	path := filepath.Join(s.t.TempDir(), "paid-get")
	require.NoError(s.t, os.WriteFile(path, []byte(script), 0o600))
	ctx, cancel := context.WithTimeout(s.ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{path}, args...)...)
	cmd.Env = append(os.Environ(), "TALLY_MAX_PRICE=1", "TALLY_STORE="+s.t.TempDir(),
		"TALLY_POLICY=", "TALLY_FUND=1")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("y\ny\n"), &stdout, &stderr
	if s.tty != nil {
		cmd.Stdin = s.tty
	}
	session(cmd)
	err = cmd.Run()
	require.NoError(s.t, ctx.Err(), stderr.String())
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(s.t, err)
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// TestOutOfTheAgentsReach: with the command of docs/policy.md, an agent pays within the policy and does
// nothing else.
func TestOutOfTheAgentsReach(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	policy := s.policy("limits = { price = '0.001', deposit = '0.1', " +
		"day = '0.0002', month = '0.0002', ask = '150u' }")
	delete(s.env, "TALLY_POLICY")
	data := s.srv.URL + "/data"
	for range 2 {
		e := s.paidGet(policy, data)
		require.Zero(t, e.code, e.stderr)
		assert.Contains(t, e.stdout, `"ok":true`)
	}
	e := s.paidGet(policy, data)
	assert.Equal(t, exitRefused, e.code, "the day's budget is used up: %s", e.stderr)
	s.books(200)
	before, sent := s.ok("trust"), len(s.srv.Requests())
	s.srv.Lie(lies.PayeeChanged)
	secret := filepath.Join(t.TempDir(), "secret")
	for _, args := range [][]string{
		nil,
		{""},
		{"trust"},
		{"trust", "accept", "--yes", data},
		{"-y", data},
		{"--store", t.TempDir(), data},
		{data, "--policy="},
		{"--help"},
		{"-d@" + s.env["TALLY_KEY_FILE"], data},
		{"-o" + secret},
		{"budget"},
		{"--", data},
		{data, data},
		{"$(touch " + secret + ")"},
		{"https://example.com"},
	} {
		e := s.paidGet(policy, args...)
		assert.Equal(t, exitUsage, e.code, "%v: %s", args, e.stderr)
		assert.Contains(t, e.stderr, "usage: paid-get", "%v", args)
	}
	assert.Len(t, s.srv.Requests(), sent, "nothing was sent")
	assert.NoFileExists(t, secret)
	s.paidGet(policy, data+"?$(touch "+secret+")`touch "+secret+"`")
	assert.NoFileExists(t, secret)
	assert.Equal(t, before, s.ok("trust"))
}

// TestAskIsRefusedToAgents: the agent's input answers no question.
func TestAskIsRefusedToAgents(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	policy := s.policy("limits = { price = '0.001', deposit = '0.1', ask = '99u' }")
	e := s.paidGet(policy, s.srv.URL+"/data")
	assert.Equal(t, exitApproval, e.code, e.stderr)
	assert.Contains(t, e.stderr, "there is no terminal to ask at")
	assert.Empty(t, s.srv.Accounts())
}

// TestAcceptUnderAPolicy: under a policy only a person at a terminal accepts other terms.
func TestAcceptUnderAPolicy(t *testing.T) {
	s := newShell(t, clienttest.Config{})
	s.policy(enough)
	s.ok("/data")
	before := s.ok("trust")
	s.srv.Lie(lies.PayeeChanged)
	sent := len(s.srv.Requests())
	for _, flag := range []string{"--yes", "-y", "--yes=true"} {
		e := s.process(nil, nil, "trust", "accept", flag, s.srv.URL+"/data")
		assert.Equal(t, exitApproval, e.code, e.stderr)
		assert.Contains(t, e.stderr, "a policy is set, so a person accepts other terms at a terminal")
	}
	assert.Len(t, s.srv.Requests(), sent, "nothing was sent")
	e := s.process(nil, nil, "trust", "accept", s.srv.URL+"/data")
	assert.Equal(t, exitApproval, e.code, e.stderr)
	assert.Contains(t, e.stderr, "there is no terminal to ask at")
	assert.Equal(t, before, s.ok("trust"))
}
