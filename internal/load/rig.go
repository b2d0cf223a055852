package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// What the flag -mppx may say.
const (
	mppxIfThere = "if-there"
	mppxNever   = "never"
	mppxAlways  = "always"
)

// findRig returns the folder of the programs around mppx. why says why mppx does not run here, which
// is an error with mppxAlways.
func findRig(mppx string) (dir string, why, err error) {
	switch mppx {
	case mppxNever:
		return "", errors.New("not wanted: -mppx=never"), nil
	case mppxIfThere, mppxAlways:
	default:
		return "", nil, fmt.Errorf("load: -mppx is %q: use if-there, never or always", mppx)
	}
	dir, why = installedRig()
	if why != nil && mppx == mppxAlways {
		return "", nil, fmt.Errorf("load: %w", why)
	}
	return dir, why, nil
}

// installedRig returns the rig of this module, or what it lacks.
func installedRig() (string, error) {
	out, err := exec.Command("node", "--version").Output()
	if err != nil {
		return "", errors.New("node is missing: install Node 20 or newer")
	}
	version := strings.TrimSpace(string(out))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < 20 {
		return "", fmt.Errorf("node is %s: install Node 20 or newer", version)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "internal", "interop", "rig")
	pinned := manifest(filepath.Join(dir, "package.json")).Dependencies
	for _, name := range []string{"mppx", "mppx-v1", "viem"} {
		want := pinned[name][strings.LastIndex(pinned[name], "@")+1:]
		installed := manifest(filepath.Join(dir, "node_modules", name, "package.json")).Version
		if want == "" || installed != want {
			return "", fmt.Errorf(
				"%s %s is not installed: run internal/interop/rig/install.sh",
				name,
				want,
			)
		}
	}
	return dir, nil
}

// moduleRoot returns the nearest folder above this one that has a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New(
				"there is no go.mod in this folder or above: run load in the module",
			)
		}
		dir = up
	}
}

// packageJSON is what load reads of a package.json.
type packageJSON struct {
	Version      string
	Dependencies map[string]string
}

// manifest reads a package.json; it is empty if there is none.
func manifest(name string) (m packageJSON) {
	if data, err := os.ReadFile(name); err == nil {
		_ = json.Unmarshal(data, &m)
	}
	return m
}
