package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryFlowHasADefect: internal/interop has no flow that nothing was planted for.
func TestEveryFlowHasADefect(t *testing.T) {
	planted := map[string]bool{}
	for _, d := range peerDefects() {
		for _, f := range d.flows {
			planted[f] = true
		}
	}
	listed := regexp.MustCompile(`(?m)^\t\{"([^"]+)", (0|voucher\.V[12]), `)
	for side, file := range map[string]string{"server": "server_test.go", "client": "client_test.go"} {
		text, err := os.ReadFile(filepath.Join("../..", peers, file))
		require.NoError(t, err)
		flows := listed.FindAllStringSubmatch(string(text), -1)
		require.Greater(t, len(flows), 10, file)
		for _, f := range flows {
			for _, rail := range []string{"v1", "v2"} {
				if f[2] == "0" || strings.HasSuffix(f[2], strings.ToUpper(rail)) {
					name := rail + "/" + side + "/" + strings.ReplaceAll(f[1], " ", "_")
					assert.True(t, planted[name], "%s: no defect is planted for it", name)
				}
			}
		}
	}
	assert.True(t, planted["fidelity"])
}

func TestPattern(t *testing.T) {
	assert.Equal(t, "^TestInterop$/^(v2|v1)$/^(server)$/^(open|stream)$", pattern(append(server("open"), server("stream")...)))
	assert.Equal(t, "^TestInterop$/^(fidelity)$", pattern(fidelity))
}

func TestPlaces(t *testing.T) {
	out := "    a_test.go:7: \n        \tError Trace:\t/tmp/x/b_test.go:3\n        \t            \t/tmp/x/a_test.go:7\n        \tError Trace:\tb_test.go:3\n"
	assert.Equal(t, []string{"b_test.go:3"}, places(out))
}
