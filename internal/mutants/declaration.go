package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// declaration is a function, method, variable, constant or type of a package.
type declaration struct {
	// name is that of the code; a method has the name of its type and a dot before it.
	name string
	// path is its file, source all of that, and from and to are where it begins and ends there.
	path     string
	source   []byte
	from, to int
}

// module finds declarations below a directory. It reads each package once.
type module struct {
	root     string
	packages map[string][]declaration
}

func newModule(root string) *module {
	return &module{root: root, packages: map[string][]declaration{}}
}

// plant returns the file that d changes, what it has now and what it has with the defect in it.
func (m *module) plant(d defect) (path string, source, wrong []byte, err error) {
	if d.from == d.to {
		return "", nil, nil, errors.New("it changes nothing")
	}
	all, err := m.declarations(d.pkg)
	if err != nil {
		return "", nil, nil, err
	}
	var found []declaration
	for _, one := range all {
		if one.name == d.fn {
			found = append(found, one)
		}
	}
	if len(found) != 1 {
		return "", nil, nil, fmt.Errorf("%s has %d declarations of %s, not one", d.pkg, len(found), d.fn)
	}
	at := found[0]
	text := at.source[at.from:at.to]
	if n := bytes.Count(text, []byte(d.from)); n != 1 {
		return "", nil, nil, fmt.Errorf("its text is %d times in %s of %s, not once", n, d.fn, d.pkg)
	}
	changed := bytes.Replace(text, []byte(d.from), []byte(d.to), 1)
	wrong = bytes.Join([][]byte{at.source[:at.from], changed, at.source[at.to:]}, nil)
	return at.path, at.source, wrong, nil
}

// declarations returns those of the non-test files of a package.
func (m *module) declarations(pkg string) (all []declaration, err error) {
	if known, ok := m.packages[pkg]; ok {
		return known, nil
	}
	files, err := filepath.Glob(filepath.Join(m.root, filepath.FromSlash(pkg), "*.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		some, err := declared(path, source)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	m.packages[pkg] = all
	return all, nil
}

// declared returns the declarations of one file.
func declared(path string, source []byte) (all []declaration, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	add := func(name string, node ast.Node) {
		from, to := set.Position(node.Pos()).Offset, set.Position(node.End()).Offset
		all = append(all, declaration{name, path, source, from, to})
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			add(receiver(decl)+decl.Name.Name, decl)
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				node := ast.Node(spec)
				if len(decl.Specs) == 1 {
					node = decl // with its keyword
				}
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						add(name.Name, node)
					}
				case *ast.TypeSpec:
					add(spec.Name.Name, node)
				}
			}
		}
	}
	return all, nil
}

// receiver returns the name of a method's type and a dot; nothing for a function.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	expr := f.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if generic, ok := expr.(*ast.IndexExpr); ok {
		expr = generic.X
	}
	if name, ok := expr.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}
