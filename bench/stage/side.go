package stage

import (
	"time"

	"github.com/cloakroom-bff/cloakroom/bench/process"
)

// Kind says how a side is spoken to.
type Kind int

// The kinds of sides.
const (
	Proxy       Kind = iota // passes on, and checks nothing
	Gateway                 // this product
	OAuth2Proxy             //
	Apache                  //
	Nginx                   // passes on, and has files
)

// Side is one of those that are compared.
type Side struct {
	Name    string // as tables have it
	Kind    Kind
	Origin  string // "http://127.0.0.1:20001"
	Ingress string // the Gateway's entrance for an ingress, an origin; empty if it has none
	Cookie  string // the browser's Cookie header; empty if nobody signs in here
	Cookies string // a file with those of many sessions; empty: all requests are of one

	Measured []*process.Process // whose cost is the side's
	Redis    *process.Process   // that it asks, and whose cost is told beside; nil if none
}

// Peer reports whether the side is somebody else's product.
func (s *Side) Peer() bool { return s.Kind == OAuth2Proxy || s.Kind == Apache || s.Kind == Nginx }

// CPU is the processor time that the side has used so far.
func (s *Side) CPU() (total time.Duration, err error) {
	for _, p := range s.Measured {
		used, err := p.CPU()
		if err != nil {
			return 0, err
		}
		total += used
	}
	return total, nil
}

// RedisCPU is what its Redis has used so far, also for others.
func (s *Side) RedisCPU() (time.Duration, error) {
	if s.Redis == nil {
		return 0, nil
	}
	return s.Redis.CPU()
}

// Memory is what the side holds at this moment.
func (s *Side) Memory() (total process.Memory, err error) {
	for _, p := range s.Measured {
		m, err := p.Memory()
		if err != nil {
			return total, err
		}
		total.RSS, total.PSS = total.RSS+m.RSS, total.PSS+m.PSS
	}
	return total, nil
}
