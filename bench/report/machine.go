package report

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine is what a measurement ran on.
type Machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Memory    string `json:"memory"`
	System    string `json:"system"`
	Go        string `json:"go"`
}

// ThisMachine describes the machine; what the system does not tell stays empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	if version := firstLine("/proc/sys/kernel/osrelease", ""); version != "" {
		release, _, _ := strings.Cut(version, "-")
		m.System = "Linux " + release + ", " + runtime.GOARCH
	}
	m.Processor = firstLine("/proc/cpuinfo", "model name")
	var kilobytes int64
	if _, err := fmt.Sscanf(firstLine("/proc/meminfo", "MemTotal"), "%d kB", &kilobytes); err == nil {
		m.Memory = fmt.Sprintf("%.0f GiB", float64(kilobytes)/(1<<20))
	}
	return m
}

// Busy is the machine's load average of the last minute; empty where the system has none.
func Busy() string {
	average, _, _ := strings.Cut(firstLine("/proc/loadavg", ""), " ")
	return average
}

// firstLine is what a file of /proc has after "name:", or its first line if the name is
// empty.
func firstLine(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		key, value, found := strings.Cut(line, ":")
		switch {
		case name == "":
			return strings.TrimSpace(line)
		case found && strings.TrimSpace(key) == name:
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// String is one line for a table's head.
func (m Machine) String() string {
	return fmt.Sprintf("%d cores of %s, %s, %s, %s", m.Cores, m.Processor, m.Memory, m.System, m.Go)
}
