package arch

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// roots are what others can build or link, in the order of THIRD_PARTY.md: a name, and the packages behind it.
// The last one is for tests, and for programs that show something.
var roots = []struct {
	name     string
	packages []string
}{
	{"client", []string{"client", "channel", "channel/escrow", "voucher", "receipt", "store", "store/journal", "store/records"}},
	{"filestore", []string{"store/filestore"}},
	{"keyfile", []string{"voucher/keyfile"}},
	{"policyfile", []string{"client/policyfile"}},
	{"channelsdb", []string{"store/channelsdb"}},
	{"pgstore", []string{"store/pgstore"}},
	{"redisstore", []string{"store/redisstore"}},
	{"tally", []string{"examples/tally"}},
	{"tests", []string{"client/clienttest", "client/clienttest/lies", "client/clienttest/nodefaults", "store/storetest", "examples/quickstart", "examples/agent"}},
}

// dependency is one module that something of ours links.
type dependency struct {
	dir  string
	used map[string]bool // by the names of roots
}

// linkedOn adds the modules that the roots link on one operating system.
func linkedOn(goos string, add func(root, module, dir string)) error {
	cmd := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}}|{{with .Module}}{{.Path}}|{{.Dir}}{{else}}|{{end}}|{{join .Imports " "}}`)
	for _, r := range roots {
		for _, p := range r.packages {
			cmd.Args = append(cmd.Args, module+"/"+p)
		}
	}
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	lines := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), "|")
		lines[fields[0]] = fields
	}
	for _, r := range roots {
		seen := map[string]bool{}
		var visit func(string)
		visit = func(pkg string) {
			fields := lines[pkg]
			if seen[pkg] || fields == nil {
				return
			}
			seen[pkg] = true
			if fields[1] != "" && fields[1] != module {
				add(r.name, fields[1], fields[2])
			}
			for next := range strings.FieldsSeq(fields[3]) {
				visit(next)
			}
		}
		for _, p := range r.packages {
			visit(module + "/" + p)
		}
	}
	return nil
}

// license names the license of a module by the text in its directory.
func license(dir string) string {
	var text string
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		name := strings.ToUpper(filepath.Base(f))
		if strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING") {
			one, _ := os.ReadFile(f)
			text += string(one)
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	for _, known := range []struct{ name, mark string }{
		{"LGPL-3.0", "GNU LESSER GENERAL PUBLIC LICENSE Version 3"},
		{"MPL-2.0", "Mozilla Public License, version 2.0"},
		{"MIT and Apache-2.0", "covered by two different licenses: MIT and Apache"},
		{"Apache-2.0", "Apache License Version 2.0"},
		{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose"},
		{"MIT", "Permission is hereby granted, free of charge"},
		{"BSD-3-Clause", "may be used to endorse or promote products"},
		{"BSD-2-Clause", "Redistribution and use in source and binary forms"},
	} {
		if strings.Contains(text, known.mark) {
			return known.name
		}
	}
	return "unknown"
}

// TestThirdParty: THIRD_PARTY.md lists each module that the packages and the command link, on each operating system,
// with its license.
func TestThirdParty(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	all := map[string]*dependency{}
	add := func(root, module, dir string) {
		mu.Lock()
		defer mu.Unlock()
		if all[module] == nil {
			all[module] = &dependency{used: map[string]bool{}}
		}
		all[module].used[root] = true
		all[module].dir = cmp.Or(all[module].dir, dir)
	}
	var group sync.WaitGroup
	errs := make([]error, 3)
	for i, goos := range []string{"linux", "darwin", "windows"} {
		group.Go(func() { errs[i] = linkedOn(goos, add) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	require.Contains(t, all, "github.com/ethereum/go-ethereum", "the list is the right one")

	var want []string
	for name, d := range all {
		var by []string
		for _, r := range roots {
			if d.used[r.name] {
				by = append(by, r.name)
			}
		}
		if by[0] == "client" {
			by = slices.DeleteFunc(by, func(root string) bool { return root != "client" && root != "tally" })
		}
		want = append(want, fmt.Sprintf("| %s | %s | %s |", name, license(d.dir), strings.Join(by, ", ")))
		assert.NotEqual(t, "unknown", license(d.dir), "the license of %s in %s", name, d.dir)
	}
	slices.Sort(want)
	text, err := os.ReadFile("../../THIRD_PARTY.md")
	require.NoError(t, err)
	var have []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| ") && strings.Contains(line, ".") {
			have = append(have, strings.TrimSpace(line))
		}
	}
	assert.True(t, slices.Equal(want, have), "the table should be:\n%s", strings.Join(want, "\n"))
}

// TestDecisionsAreListed: the index of docs/adr has each page under its own title, in order.
func TestDecisionsAreListed(t *testing.T) {
	pages, err := filepath.Glob("../../docs/adr/0*.md")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	var want []string
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		want = append(want, fmt.Sprintf("- [%s](%s)", title, filepath.Base(page)))
	}
	index, err := os.ReadFile("../../docs/adr/README.md")
	require.NoError(t, err)
	var have []string
	for line := range strings.Lines(string(index)) {
		if strings.HasPrefix(line, "- ") {
			have = append(have, strings.TrimSpace(line))
		}
	}
	assert.Equal(t, want, have)
}
