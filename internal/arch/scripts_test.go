package arch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestScriptsReadToTheEnd: no script with `set -o pipefail` pipes into a command that stops reading early. The
// writer is then killed by SIGPIPE, or not, as the two happen to run, and the script ends with status 141.
func TestScriptsReadToTheEnd(t *testing.T) {
	early := regexp.MustCompile(`\|\s*(head\b|grep\s+(-\w*q|-m)|sed\s.*q['"]?\s*$)`)
	for _, line := range []string{"a | head -n 1", "a | grep -qF b", "a | grep -m1 b", "a | sed 1q"} {
		require.Regexp(t, early, line)
	}
	scripts := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		require.NoError(t, err)
		switch {
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git" || entry.Name() == "bin"):
			return filepath.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if !strings.HasPrefix(string(text), "#!") || !strings.Contains(string(text), "pipefail") {
			return nil
		}
		scripts++
		for number, line := range strings.Split(string(text), "\n") {
			assert.NotRegexp(t, early, line, "%s:%d", path, number+1)
		}
		return nil
	})
	require.NoError(t, err)
	require.GreaterOrEqual(t, scripts, 5)
}
