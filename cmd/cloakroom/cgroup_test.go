package main

import (
	"testing"
	"testing/fstest"
)

func TestTheLimitOfAContainerIsFound(t *testing.T) {
	const mebi = 1 << 20
	for name, row := range map[string]struct {
		groups string
		files  map[string]string
		want   int64
	}{
		"no control groups": {},
		"version 2, in a container": {
			"0::/\n", map[string]string{"memory.max": "134217728\n"}, 128 * mebi,
		},
		"version 2, no limit": {
			"0::/\n", map[string]string{"memory.max": "max\n"}, 0,
		},
		"version 2, a unit whose slice has less": {
			"0::/system.slice/cloakroom.service\n", map[string]string{
				"system.slice/cloakroom.service/memory.max": "268435456\n", "system.slice/memory.max": "67108864\n",
			}, 64 * mebi,
		},
		"version 2, above the container's root": {
			"0::/../../pod\n", map[string]string{"memory.max": "67108864\n"}, 64 * mebi,
		},
		"version 1, in a container that shows its group alone": {
			"9:name=systemd:/docker/abc\n4:cpu,memory:/docker/abc\n0::/\n", map[string]string{"memory/memory.limit_in_bytes": "67108864\n"}, 64 * mebi,
		},
		"version 1, no limit": {
			"4:memory:/\n", map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0,
		},
		"version 1, a group of its own": {
			"4:memory:/a/b:c\n", map[string]string{"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/a/b:c/memory.limit_in_bytes": "33554432"}, 32 * mebi,
		},
		"nothing that makes sense": {
			"memory\n\n4:memory\n0::/\n", map[string]string{"memory.max": "-1\n"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			system := fstest.MapFS{}
			if row.groups != "" {
				system["proc/self/cgroup"] = &fstest.MapFile{Data: []byte(row.groups)}
			}
			for file, text := range row.files {
				system["sys/fs/cgroup/"+file] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := containerLimit(system); got != row.want {
				t.Errorf("got %d bytes, want %d", got, row.want)
			}
		})
	}
}
