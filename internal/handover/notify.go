package handover

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// Notify tells systemd how the service is (sd_notify(3)), in lines such as READY=1. It does
// nothing where the environment has no NOTIFY_SOCKET.
func Notify(ctx context.Context, environ []string, lines ...string) error {
	for _, variable := range environ {
		address, ok := strings.CutPrefix(variable, "NOTIFY_SOCKET=")
		if !ok || address == "" {
			continue
		}
		conn, err := new(net.Dialer).DialContext(ctx, "unixgram", address)
		if err != nil {
			return fmt.Errorf("handover: notify systemd: %w", err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
			return fmt.Errorf("handover: notify systemd: %w", err)
		}
		return nil
	}
	return nil
}
