package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"
)

// unreached is a request without a whole answer.
type unreached struct {
	address string
	stage   stage
	within  time.Duration
	err     error
}

// Error implements error.
func (u *unreached) Error() string {
	found, _ := u.explain("")
	return found
}

// Unwrap returns the cause.
func (u *unreached) Unwrap() error { return u.err }

// explain says what happened and what to do about it. roots is the key of the
// configuration that takes further certificate authorities, empty if there is none.
func (u *unreached) explain(roots string) (found, remedy string) {
	host := u.host()
	if found, remedy, ok := u.explainTLS(host, roots); ok {
		return found, remedy
	}
	name := new(net.DNSError)
	isName := errors.As(u.err, &name)
	switch {
	case isName && name.IsNotFound:
		return fmt.Sprintf("no resolver knows the name %s", name.Name), "correct the host, or the name service of this machine"
	case isName && !name.IsTimeout:
		return fmt.Sprintf("the name %s could not be looked up: %v", name.Name, name.Err), "look at the name service of this machine"
	case isName:
		return fmt.Sprintf("looking up the name %s took too long", name.Name), "look at the name service of this machine"
	case errors.Is(u.err, syscall.ECONNREFUSED):
		return "nobody listens at " + host, "start it, or correct host and port"
	case errors.Is(u.err, syscall.EHOSTUNREACH), errors.Is(u.err, syscall.ENETUNREACH):
		return "there is no way to " + host, "look at routes and firewalls between here and there"
	case errors.Is(u.err, context.DeadlineExceeded), errors.Is(u.err, os.ErrDeadlineExceeded), isTimeout(u.err):
		remedy := "look at firewalls between here and there"
		if u.stage >= waiting {
			remedy = "look at the other side: it takes the connection and says nothing"
		}
		return fmt.Sprintf("%s gave no answer within %s, %s", host, u.within, u.stage), remedy
	case errors.Is(u.err, io.EOF), errors.Is(u.err, io.ErrUnexpectedEOF), errors.Is(u.err, syscall.ECONNRESET):
		return fmt.Sprintf("%s closed the connection, %s", host, u.stage), "look at the other side's log: perhaps it speaks another protocol at this port"
	}
	return fmt.Sprintf("%s: %s, %s", host, quote(innermost(u.err).Error()), u.stage), "look at the address and at the other side's log"
}

// explainTLS knows what goes wrong between two who speak TLS, or should.
func (u *unreached) explainTLS(host, roots string) (found, remedy string, ok bool) {
	trust := "install that authority on this machine"
	if roots != "" {
		trust = "put the authority's certificate, in PEM, into " + roots
	}
	authority, name, invalid := new(x509.UnknownAuthorityError), new(x509.HostnameError), new(x509.CertificateInvalidError)
	record, alert := new(tls.RecordHeaderError), new(net.OpError)
	switch {
	case errors.As(u.err, authority):
		return fmt.Sprintf("the certificate of %s comes from an authority that this machine does not trust", host), trust, true
	case errors.As(u.err, name):
		return fmt.Sprintf("the certificate of %s is for another name: %s", host, quote(name.Error())), "use a name that stands in the certificate, or another certificate", true
	case errors.As(u.err, invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate of %s has expired or is not valid yet: %s", host, quote(invalid.Detail)), "renew it there, and compare the clock of this machine", true
	case errors.As(u.err, invalid):
		return fmt.Sprintf("the certificate of %s cannot be used: %s", host, quote(invalid.Error())), "issue another one", true
	case errors.Is(u.err, http.ErrSchemeMismatch), errors.As(u.err, record):
		return host + " speaks no TLS", "write the port that does, or http:// where that is allowed", true
	case errors.As(u.err, &alert) && alert.Op == "remote error":
		return fmt.Sprintf("%s refused the TLS handshake: %s", host, quote(alert.Err.Error())), "look at its TLS versions, and whether it wants a client certificate", true
	}
	return "", "", false
}

func (u *unreached) host() string {
	if parsed, err := url.Parse(u.address); err == nil && parsed.Host != "" {
		return parsed.Host
	}
	return u.address
}

func isTimeout(err error) bool {
	slow, ok := errors.AsType[net.Error](err)
	return ok && slow.Timeout()
}

// innermost leaves out what repeats the address.
func innermost(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}
