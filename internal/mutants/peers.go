package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// peers is the package that runs against software that nobody here wrote.
const peers = "internal/interop"

// server, client are a flow on both rails: our client against a foreign server, and the other way round.
func server(flow string) []string { return []string{"v2/server/" + flow, "v1/server/" + flow} }
func client(flow string) []string { return []string{"v2/client/" + flow, "v1/client/" + flow} }

// meet runs the flows with the defect in place. It is killed where each of them fails, and fails again. A run in
// which one of them was not reached, since a peer did not start in time, says nothing.
func meet(ctx context.Context, dir string, flows []string) (v verdict, by string, err error) {
	for tries, noticed := 0, 0; noticed < 2; tries++ {
		out, failed, err := goTest(ctx, dir, "-v", "-run="+pattern(flows), "./"+peers)
		if err != nil {
			return "", "", err
		}
		if v, by = judge(out, failed); v == unbuilt || by == "(panicked)" || by == "(never ended)" {
			return v, by, nil
		}
		missed := ""
		for _, f := range flows {
			switch {
			case strings.Contains(out, "--- PASS: TestInterop/"+f+" ("):
				return survived, f + " did not notice", nil
			case !strings.Contains(out, "--- FAIL: TestInterop/"+f+" ("):
				missed = f
			}
		}
		if missed == "" {
			noticed++
			by = strings.Join(flows, ", ") + " at " + strings.Join(places(out), ", ")
		} else if tries == 3 {
			return "", "", fmt.Errorf("%s is not reached:\n%s", missed, out)
		}
	}
	return v, by, nil
}

// pattern matches the flows for -run, level by level.
func pattern(flows []string) string {
	levels := []string{"^TestInterop$"}
	for i := 0; ; i++ {
		var names []string
		for _, f := range flows {
			if parts := strings.Split(f, "/"); i < len(parts) && !slices.Contains(names, parts[i]) {
				names = append(names, parts[i])
			}
		}
		if names == nil {
			return strings.Join(levels, "/")
		}
		levels = append(levels, "^("+strings.Join(names, "|")+")$")
	}
}

var assertion = regexp.MustCompile(`(?m)^\s+Error Trace:\s+\S*?([^/\s]+_test\.go:\d+)`)

// places are where assertions failed, each once.
func places(out string) (all []string) {
	for _, m := range assertion.FindAllStringSubmatch(out, -1) {
		if !slices.Contains(all, m[1]) {
			all = append(all, m[1])
		}
	}
	return all
}

// lendPeers gives the copy at dir the peers that are installed at root.
func lendPeers(root, dir string) error {
	for _, name := range []string{"node_modules", "build"} {
		from := filepath.Join(root, peers, "rig", name)
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			return errors.New("the peers are not installed: run " + peers + "/rig/install.sh")
		}
		if err := os.Symlink(from, filepath.Join(dir, peers, "rig", name)); err != nil {
			return err
		}
	}
	return nil
}
