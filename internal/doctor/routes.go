package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// routes looks at where each route leads.
func (e *exam) routes(ctx context.Context, c *chart) {
	var parts []func(context.Context, *chart)
	seen := make(map[string]bool)
	for i, rt := range e.cfg.Routes {
		if rt.Files != "" {
			parts = append(parts, func(_ context.Context, c *chart) { staticFiles(c, i, rt.Files) })
			continue
		}
		place := fmt.Sprint(rt.Upstream, rt.UpstreamTLS, rt.Balance.HealthPath)
		if seen[place] {
			continue
		}
		seen[place] = true
		parts = append(parts, func(ctx context.Context, c *chart) { e.upstreams(ctx, c, i, rt) })
	}
	c.lines = together(ctx, parts...)
}

// staticFiles sees whether there is a single-page application.
func staticFiles(c *chart, i int, dir string) {
	check := fmt.Sprintf("routes[%d].files", i)
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		c.fail(check, "the directory cannot be read: "+quote(err.Error()), "build the application, or correct the path")
		return
	case !info.IsDir():
		c.fail(check, dir+" is no directory", "name the directory that holds index.html")
		return
	}
	if _, err := os.Stat(filepath.Join(dir, "index.html")); err != nil {
		c.warn(check, dir+" has no index.html, which unknown paths get", "build the application, or correct the path")
		return
	}
	c.pass(check, dir+" holds an application")
}
