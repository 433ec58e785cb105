package migrate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestTOMLIsReadOrRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text string
		want []string // values of the first key
		err  string
	}{
		{`a = "b"`, []string{"b"}, ""},
		{`a="b"#c`, []string{"b"}, ""},
		{`a = 'b\n"'`, []string{`b\n"`}, ""},
		{`a = "\"\\\u00e4\t"`, []string{"\"\\ä\t"}, ""},
		{"# x\n\n a = true\r\n", []string{"true"}, ""},
		{"a = 1_000", []string{"1000"}, ""},
		{"a = -5", []string{"-5"}, ""},
		{"a = [\n 'x', # one\n 'y',\n]", []string{"x", "y"}, ""},
		{"a = []", []string{}, ""},
		{"[table]\n", nil, "f:1: is no key = value"},
		{"a.b = 1", nil, "f:1: is no key = value"},
		{`"a" = 1`, nil, "f:1: is no key = value"},
		{"a = 1\na = 2", nil, "f:2: has a key that was there before"},
		{"a = 'x", nil, "f:1: has a text without its closing quote"},
		{`a = "x\q"`, nil, "f:1: has an escape"},
		{`a = """x"""`, nil, "f:1: has a text over several lines"},
		{"a = 1.5", nil, "f:1: has something behind the value"},
		{"a = {b = 1}", nil, "f:1: has a value that is no text"},
		{"a = 2026-01-01", nil, "f:1: has a value that is no text"},
		{"a = ['x' 'y']", nil, "f:1: has a list without an end"},
		{"a = ['x'", nil, "f:1: has a list without an end"},
		{"a = 1 b = 2", nil, "f:1: has something behind the value"},
		{"a =", nil, "f:1: has a value that is no text"},
	} {
		t.Run(row.text, func(t *testing.T) {
			t.Parallel()
			all, err := readTOML(Document{"f", row.text})
			switch {
			case row.err != "":
				if err == nil || !strings.HasPrefix(err.Error(), row.err) {
					t.Errorf("error %v, want %s…", err, row.err)
				}
			case err != nil || len(all) != 1 || !slices.Equal(all[0].values, row.want):
				t.Errorf("%v, %v, want %q", all, err, row.want)
			}
		})
	}
}

func TestCommandLinesAreDividedAsByAShell(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		`a  b`:                  {"a", "b"},
		"a \\\n  b":             {"a", "b"},
		`'a b' "c \" d" e\ f`:   {"a b", `c " d`, "e f"},
		`a''b ""`:               {"ab", ""},
		"# all of it\na # rest": {"a"},
		"a & b":                 {"a"},
		`a "b`:                  {"a", "b"},
		`--x=$Y`:                {"--x=$Y"},
	} {
		if got := splitWords(text); !slices.Equal(got, want) {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestJSONIsReadAsDotNETReadsIt(t *testing.T) {
	t.Parallel()
	root, err := readJSON(Document{"f", "\ufeff{ // one\n \"a:b\": [1, /* two\n */ \"//x\", ],\n \"A\": {\"c\": null},\n}"})
	if err != nil {
		t.Fatal(err)
	}
	if got := root.get("a", "B"); got != nil {
		t.Errorf("the later a does not hide the earlier one: %v", got)
	}
	if got := root.fields[0].value.get("b"); got == nil || !slices.Equal(got.texts(), []string{"1", "//x"}) || got.line != 2 {
		t.Errorf("a:b is %+v", got)
	}
	for text, want := range map[string]string{
		"{":                              "f:1: is not JSON",
		"{\n\"a\": s3cret}":              "f:2: is not JSON",
		"{} {}":                          "f:1: goes on behind its end",
		strings.Repeat("[", 100):         "f:1: has more levels",
		"{\"a\": \"s3cret\"\n \"b\": 1}": "f:",
	} {
		if _, err := readJSON(Document{"f", text}); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: error %v, want %s…", text, err, want)
		}
	}
}

func TestApacheIsReadWithItsSections(t *testing.T) {
	t.Parallel()
	all, err := readApache(Document{"f", "# no\nA \"b c\" 'd' e\\\n  f\n<If \"%{X} == 'y'\">\n  G\n</if>\n"})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || !slices.Equal(all[0].args, []string{"b c", "d", "e", "f"}) || all[1].at != "f:4" || len(all[1].inner) != 1 || all[1].args[0] != "%{X} == 'y'" {
		t.Errorf("%+v %+v", all[0], all[1])
	}
	for text, want := range map[string]string{
		"<A>\nB":                     "f:2: ends within a section",
		"<A>\n</B>":                  "f:2: closes a section that is not open",
		"</A>":                       "f:1: closes a section that is not open",
		"< >":                        "f:1: is no directive",
		strings.Repeat("<A>\n", 100): "f:64: has more levels",
	} {
		if _, err := readApache(Document{"f", text}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s…", text, err, want)
		}
	}
}

func TestYAMLWithTrapsIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"a: &x 1\nb: *x":          "f:2: has an alias",
		"a: {<<: {b: 1}}":         "f:1: has a merge key",
		strings.Repeat("[", 100):  "f:1: has more levels",
		strings.Repeat("- ", 100): "f:1: has more levels",
		"a: 's3cret\nb: 1":        "f:1: is not YAML",
		"a: 1\n\tb: s3cret\n":     "f:2: is not YAML",
		"a: \x00":                 "f:1: is no text",
	} {
		if _, err := readYAML(Document{"f", text}); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: error %v, want %s…", text, err, want)
		}
	}
}

func TestScalarsAreQuotedWhereYAMLCouldErr(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain":               "plain",
		"https://a.example/b": "https://a.example/b",
		"8h":                  "8h",
		"yes":                 `"yes"`,
		"Null":                `"Null"`,
		"401":                 `"401"`,
		"":                    `""`,
		"a: b":                `"a: b"`,
		"a #b":                `"a #b"`,
		"[a]":                 `"[a]"`,
		"a:":                  `"a:"`,
		"${env:A}":            `"${env:A}"`,
		"é\n\"":               `"é\n\""`,
		"10:20":               `"10:20"`,
	} {
		if got := scalar(text); got != want {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
	}
}

// A password with an @ / or # that nobody encoded is cut in other places than was meant.
func TestNoPartOfAPasswordInAnAddressIsRepeated(t *testing.T) {
	t.Parallel()
	addresses := []string{"%s://user:hush@host", "%s://user:1hush@host:1/2", "%s://:hu/sh@host/1", "%s://:1#hush@host", "%s://user:12/hush@host", "%s://user:1?hush@host", "%s://hush@host/x", "%s://:1/hush@host"}
	for _, address := range addresses {
		for option, scheme := range map[string]string{
			"redis_connection_url": "redis", "oidc_issuer_url": "https", "login_url": "https", "upstreams": "http", "redirect_url": "https", "profile_url": "https",
			"redis_sentinel_connection_urls": "redis",
		} {
			text := "client_id = 'x'\nsession_store_type = 'redis'\n" + option + " = '" + strings.Replace(address, "%s", scheme, 1) + "'\n"
			if option == "redis_sentinel_connection_urls" {
				text += "redis_use_sentinel = true\n"
			}
			result, err := OAuth2Proxy(Input{Documents: []Document{{"f.cfg", text}}})
			if err != nil {
				t.Fatal(err)
			}
			remarks, err := json.Marshal(result.Remarks)
			if err != nil {
				t.Fatal(err)
			}
			if all := string(result.Config) + string(remarks); strings.Contains(all, "hush") || strings.Contains(all, "hu/sh") {
				t.Errorf("%s\n%s\n%s", text, result.Config, remarks)
			}
		}
	}
}
