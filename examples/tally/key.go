package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/spf13/cobra"

	"github.com/seed-5fe1f529/tallystick/voucher"
	"github.com/seed-5fe1f529/tallystick/voucher/keyfile"
)

func keyCommand(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, import and show the key that pays",
		Long: `Key makes and imports keys, and shows what a key is. A key file is a V3 keystore, as geth and most wallets
write it, encrypted with a password that is asked for at the terminal or is in TALLY_PASSWORD. Whoever has the key and
the password has the money. A key that is lost is not found again: keep a copy of the file.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(keyNewCommand(w), keyAddressCommand(w), keyImportCommand(w), keyShowCommand(w))
	return cmd
}

// making is `tally key new` and `tally key import`.
type making struct {
	*world
	plain bool
	from  string
	fd    int
}

func (m *making) plainFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&m.plain, "unencrypted", false,
		"write hex digits that need no password: who reads the file has the money")
}

func keyNewCommand(w *world) *cobra.Command {
	m := &making{world: w}
	cmd := &cobra.Command{
		Use:   "new FILE",
		Short: "Make a key and write it to a new file",
		Long: `New makes a key and writes it to a new file that only its owner may read, encrypted with a password. It
prints the address, which is where money is sent to, and how to use the file.`,
		Example: `  tally key new ~/.tally-key.json`,
		Args:    arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := crypto.GenerateKey()
			if err != nil {
				return err
			}
			return m.keep(cmd.Context(), args[0], key, "")
		},
	}
	m.plainFlag(cmd)
	return cmd
}

func keyImportCommand(w *world) *cobra.Command {
	m := &making{world: w}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Write a key that is there already to a new file",
		Long: `Import reads a key, hex digits or a V3 keystore, and writes it to a new file as tally key new does. Hex digits
are encrypted with a new password; a keystore keeps its own. The key comes from stdin, from a file or from a file
descriptor, and never from the command line, where other programs and the shell's history would see it.`,
		Example: `  pass show payer | tally key import ~/.tally-key.json
  tally key import --from old-key.hex ~/.tally-key.json`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if keyLike.MatchString(args[0]) || keyLike.MatchString(m.from) {
				return fail(exitUsage, errKeyShown)
			}
			if m.fd >= 0 && m.from != "-" {
				return fail(exitUsage, errors.New("--from and --from-fd are two places: give one"))
			}
			text, err := m.read(cmd.Context())
			if err != nil {
				return fail(exitKey, err)
			}
			defer clear(text)
			key, password, err := m.secret(cmd.Context(), text)
			if err != nil {
				return fail(exitKey, err)
			}
			return m.keep(cmd.Context(), args[0], key, password)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&m.from, "from", "-", "read the key from `FILE`, - for stdin")
	flags.IntVar(&m.fd, "from-fd", -1, "read the key from the file descriptor `N`")
	m.plainFlag(cmd)
	return cmd
}

// keyLike matches what is a key rather than the name of a file.
var keyLike = regexp.MustCompile(`^(0x)?[0-9a-fA-F]{64}$`)

// errKeyShown does not repeat the key.
var errKeyShown = errors.New("that is a key, not the name of a file, and the command line is no place for it: " +
	"other programs and the shell's history see it; move the money to another key")

// read reads the text of a key from where the flags say.
func (m *making) read(ctx context.Context) ([]byte, error) {
	if m.fd < 0 && m.from != "-" {
		text, err := await(ctx, func() ([]byte, error) { return readPrivate(m.from) })
		if err != nil {
			return nil, fmt.Errorf("--from %s: %w", m.from, err)
		}
		return text, nil
	}
	name, read := "stdin", func() ([]byte, error) {
		text, err := io.ReadAll(io.LimitReader(m.stdin, maxKeyFile+1))
		if err == nil && len(text) > maxKeyFile {
			err = errKeyLong
		}
		return text, err
	}
	if m.fd >= 0 {
		name, read = fmt.Sprintf("--from-fd %d", m.fd), func() ([]byte, error) { return readDescriptor(m.fd) }
	}
	text, err := await(ctx, read)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return bytes.TrimSpace(text), nil
}

// secret returns the key in a text, and the password if it was encrypted.
func (w *world) secret(ctx context.Context, text []byte) (*ecdsa.PrivateKey, string, error) {
	if !bytes.HasPrefix(text, []byte("{")) {
		if _, err := voucher.ParseKey(string(text)); err != nil {
			return nil, "", err
		}
		key, err := crypto.HexToECDSA(strings.TrimPrefix(string(text), "0x"))
		return key, "", err
	}
	password := w.env("TALLY_PASSWORD")
	if password == "" {
		var err error
		if password, err = w.askPassword(ctx, "the keystore"); err != nil {
			return nil, "", err
		}
	}
	if _, err := keyfile.Decrypt(text, password); err != nil { // it bounds the work, and checks the address
		return nil, "", err
	}
	key, err := keystore.DecryptKey(text, password)
	if err != nil {
		return nil, "", keyfile.ErrFormat
	}
	return key.PrivateKey, password, nil
}

// saveKey writes an encrypted key. Tests have one that costs less.
var saveKey = keyfile.Save

// keep writes the key to a new file and prints its address. An empty password is asked for.
func (m *making) keep(ctx context.Context, path string, key *ecdsa.PrivateKey, password string) error {
	if _, err := os.Lstat(path); err == nil { // before a password is thought of
		return fail(exitUsage, fmt.Errorf("%s: %w: a key file is not overwritten", path, fs.ErrExist))
	}
	var err error
	if password == "" && !m.plain {
		if password, err = m.newPassword(ctx, path); err != nil {
			return fail(exitKey, err)
		}
	}
	if m.plain {
		err = savePlain(path, key)
	} else {
		err = saveKey(path, key, password)
	}
	if err != nil {
		return fail(exitWrite, err)
	}
	address := crypto.PubkeyToAddress(key.PublicKey)
	if _, err := fmt.Fprintln(m.stdout, address.Hex()); err != nil {
		return fail(exitWrite, err)
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	fmt.Fprintf(m.stderr, "tally: the key is in %s; to use it: %s\n", path, assignment("TALLY_KEY_FILE", path))
	return nil
}

// savePlain writes the key as hex digits to a new file.
func savePlain(path string, key *ecdsa.PrivateKey) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(keyText(key))
	return errors.Join(err, f.Sync(), f.Close())
}

// newPassword asks for a new password, twice, unless the environment has it.
func (w *world) newPassword(ctx context.Context, path string) (string, error) {
	if password := w.env("TALLY_PASSWORD"); password != "" {
		return password, nil
	}
	password, err := w.askPassword(ctx, path)
	if err != nil {
		return "", fmt.Errorf("nothing was written: %w, or give --unencrypted", err)
	}
	again, err := w.askPassword(ctx, path+", again")
	switch {
	case err != nil:
		return "", err
	case password == "":
		return "", errors.New("a key is not encrypted with an empty password: give --unencrypted if that is what you want")
	case again != password:
		return "", errors.New("the two passwords differ; nothing was written")
	}
	return password, nil
}

func keyAddressCommand(w *world) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "address",
		Short: "Print the address of the key that pays",
		Long: `Address prints the address of the key that pays: where money is sent to. The key itself is read and decrypted,
because an address that merely stands beside it in the file could be anybody's.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file"); err != nil {
				return err
			}
			key, err := w.mustKey(cmd.Context(), path)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(w.stdout, key.Address().Hex()); err != nil {
				return fail(exitWrite, err)
			}
			return nil
		},
	}
	keyFileFlag(cmd, &path)
	return cmd
}

func keyFileFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, "key-file", "", "the key in `FILE`: a V3 keystore, or hex digits (default: TALLY_KEY)")
}

// mustKey is key, and an error where there is none.
func (w *world) mustKey(ctx context.Context, path string) (*voucher.KeySigner, error) {
	key, err := w.key(ctx, path)
	if err == nil && key == nil {
		err = fail(exitKey, errors.New("there is no key: set --key-file or TALLY_KEY (tally key new makes one)"))
	}
	return key, err
}

func keyShowCommand(w *world) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the private key, after a question at the terminal",
		Long: `Show prints the private key of a key file as hex digits, for another wallet. Whoever sees them has the money,
so it asks at the terminal first, and there is no flag that answers.`,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnv(cmd.Flags(), w.env, "key-file"); err != nil {
				return err
			}
			return w.showKey(cmd.Context(), path)
		},
	}
	keyFileFlag(cmd, &path)
	return cmd
}

func (w *world) showKey(ctx context.Context, path string) error {
	if path == "" {
		return fail(exitUsage, errors.New("which key? Set --key-file (one in TALLY_KEY is shown there)"))
	}
	text, err := await(ctx, func() ([]byte, error) { return readPrivate(path) })
	if err != nil {
		return fail(exitKey, fmt.Errorf("--key-file %s: %w", path, err))
	}
	yes, err := w.confirm(ctx, "Whoever sees the private key has the money. Print it?")
	if err == nil && !yes {
		err = errors.New("the answer was no")
	}
	if err != nil {
		return fail(exitApproval, fmt.Errorf("the key is not shown: %w", err))
	}
	key, _, err := w.secret(ctx, text)
	if err != nil {
		return fail(exitKey, fmt.Errorf("--key-file %s: %w", path, err))
	}
	if _, err := io.WriteString(w.stdout, keyText(key)); err != nil {
		return fail(exitWrite, err)
	}
	return nil
}
