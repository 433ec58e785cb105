package main

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// containerLimit returns how much memory, in bytes, the control groups of this process let it
// have, or 0 where they set no limit (cgroups(7)). system is the root of the file system.
func containerLimit(system fs.FS) int64 {
	groups, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return 0 // a system without control groups
	}
	least := int64(math.MaxInt64)
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:group; the second version lists no controllers.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) < 3:
		case parts[1] == "":
			least = min(least, groupLimit(system, "sys/fs/cgroup", parts[2], "memory.max"))
		case slices.Contains(strings.Split(parts[1], ","), "memory"):
			least = min(least, groupLimit(system, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"))
		}
	}
	// The first version says that there is no limit with the largest number of whole pages.
	if least > math.MaxInt64/2 {
		return 0
	}
	return least
}

// groupLimit returns the least limit of a group and of those above it, which bind it too. In
// a container the file system often begins with the group, and its name leads nowhere.
func groupLimit(system fs.FS, tree, group, file string) int64 {
	least := int64(math.MaxInt64)
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		said, err := fs.ReadFile(system, path.Join(tree, at, file))
		if err == nil {
			// "max" is no number, and no limit.
			if n, err := strconv.ParseInt(strings.TrimSpace(string(said)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
		}
		if at == "/" {
			return least
		}
	}
}
