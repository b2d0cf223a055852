package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// form is what -F sends: multipart/form-data.
func (r *request) formed(ctx context.Context, stdin io.Reader) (p source, contentType string, err error) {
	boundary := "------------------------" + rand.Text()
	var all []source
	for _, f := range r.form {
		part, err := r.formPart(ctx, f, stdin)
		if err != nil {
			if ctx.Err() != nil {
				return p, "", stopped(ctx)
			}
			return p, "", err
		}
		all = append(all, literal("--"+boundary+"\r\n"), part, literal("\r\n"))
	}
	all = append(all, literal("--"+boundary+"--\r\n"))
	return join(all), "multipart/form-data; boundary=" + boundary, nil
}

// formField is one value of -F, read.
type formField struct {
	name, value        string
	file, inline       bool // @file, <file
	filename, mimeType string
}

// formPart is one part: its header and its content.
func (r *request) formPart(ctx context.Context, d datum, stdin io.Reader) (source, error) {
	f, err := parseField(d)
	if err != nil {
		return source{}, fail(exitUsage, err)
	}
	content := literal(f.value)
	if f.file || f.inline {
		if content, err = r.file(ctx, f.value, stdin); err != nil {
			return source{}, fail(exitRead, fmt.Errorf("--form: %w", err))
		}
	}
	head := `Content-Disposition: form-data; name="` + inQuotes.Replace(f.name) + `"`
	if f.file && f.filename == "" {
		f.filename = filepath.Base(f.value)
	}
	if f.filename != "" {
		head += `; filename="` + inQuotes.Replace(f.filename) + `"`
	}
	if f.file && f.mimeType == "" {
		f.mimeType = cmp.Or(fileTypes[strings.ToLower(filepath.Ext(f.value))], "application/octet-stream")
	}
	if f.mimeType != "" {
		head += "\r\nContent-Type: " + f.mimeType
	}
	return join([]source{literal(head + "\r\n\r\n"), content}), nil
}

// fileTypes are the types that curl gives files, by their names.
var fileTypes = map[string]string{
	".gif": "image/gif", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".svg": "image/svg+xml",
	".txt": "text/plain", ".htm": "text/html", ".html": "text/html", ".pdf": "application/pdf", ".xml": "application/xml",
}

// inQuotes writes a name within quotes, as browsers do.
var inQuotes = strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A")

// parseField reads name=content, name=@file;type=…;filename=… or name=<file.
func parseField(d datum) (f formField, err error) {
	name, value, ok := strings.Cut(d.text, "=")
	if !ok || name == "" {
		return f, fmt.Errorf("--%s: it is not name=content", d.kind)
	}
	f.name = name
	if d.kind == "form-string" {
		f.value = value
		return f, nil
	}
	switch {
	case strings.HasPrefix(value, "@"):
		f.file, value = true, value[1:]
	case strings.HasPrefix(value, "<"):
		f.inline, value = true, value[1:]
	}
	f.value, value = word(value)
	for value != "" {
		var one string
		one, value = word(value[1:])
		key, is, _ := strings.Cut(strings.TrimLeft(one, " "), "=")
		is, _ = word(is)
		switch key {
		case "type":
			f.mimeType = is
		case "filename":
			f.filename = is
		default:
			return f, fmt.Errorf("--form: %q is none of type= and filename=", key)
		}
	}
	if strings.ContainsAny(f.mimeType, "\r\n") {
		return f, errors.New("--form: a type is one line")
	}
	if f.file && strings.Contains(f.value, ",") {
		return f, errors.New("--form: several files in one field are not sent; write the flag again for each")
	}
	return f, nil
}

// word returns the text up to the next semicolon, and the rest from there. A text in quotes may have semicolons; in it
// a backslash is before a quote or a backslash.
func word(s string) (w, rest string) {
	if !strings.HasPrefix(s, `"`) {
		if at := strings.IndexByte(s, ';'); at >= 0 {
			return s[:at], s[at:]
		}
		return s, ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			b.WriteByte(s[i])
		case s[i] == '"':
			_, rest, found := strings.Cut(s[i+1:], ";")
			if found {
				rest = ";" + rest
			}
			return b.String(), rest
		default:
			b.WriteByte(s[i])
		}
	}
	return s, "" // the quote does not end
}
