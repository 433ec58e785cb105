package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/redis/rueidis"
)

// Options configures a [Store]. The zero value is what a gateway wants.
type Options struct {
	// WaitReplicas is how many replicas should have a write before its call returns; zero
	// waits for none. It narrows what a failover can lose and promises nothing: a write
	// that too few have in 300 ms stands all the same, so its call returns nil, and
	// Unconfirmed and the log hear of it.
	WaitReplicas int

	// Unconfirmed is called after each write that only so many replicas have; nil: nobody.
	// It must be quick.
	Unconfirmed func(replicas int)

	// Timeout is how long a server may take to accept a connection, and to answer; zero
	// means 500 ms. A call waits twice that at most; a write waits so for its index
	// entries, and again for its record.
	Timeout time.Duration

	Log *slog.Logger // nil: nowhere
}

// Open makes a store from its URL: redis://, rediss://, redis-sentinel:// or
// redis-cluster://, as in
//
//	redis://user:password@host:6379/0
//	rediss://:password@host:6379/0?ca_file=ca.pem&cert_file=client.pem&key_file=client.key
//	redis-sentinel://user:password@host1:26379,host2:26379/master?db=0&sentinel_password=…
//	redis-cluster://host1:6379,host2:6379?tls=true&prefix=cloakroom:
//
// It asks no server: connections are made when they are needed and made anew when they
// break. An error says what is wrong with the URL, or with a file that it names; no error
// of the package has a password in it.
func Open(url string, opts Options) (*Store, error) {
	addr, err := parseAddress(url)
	if err != nil {
		return nil, err
	}
	s := &Store{
		addr:        addr,
		replicas:    opts.WaitReplicas,
		unconfirmed: opts.Unconfirmed,
		patience:    opts.Timeout,
		log:         opts.Log,
		epoch:       time.Now(),
	}
	if s.replicas < 0 {
		return nil, fmt.Errorf("redisstore: WaitReplicas is %d: give 0 or more", s.replicas)
	}
	if s.unconfirmed == nil {
		s.unconfirmed = func(int) {}
	}
	if s.patience <= 0 {
		s.patience = 500 * time.Millisecond
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	secure, err := addr.tlsConfig()
	if err != nil {
		return nil, err
	}
	s.conn = newConnector(s.driver(secure))
	return s, nil
}

// driver says how rueidis connects.
func (s *Store) driver(secure *tls.Config) rueidis.ClientOption {
	// The interval of keep-alives is also that of the driver's own pings.
	dialer := net.Dialer{Timeout: s.patience, KeepAlive: 200 * time.Millisecond}
	o := rueidis.ClientOption{
		InitAddress:      s.addr.hosts,
		Username:         s.addr.user,
		Password:         s.addr.pass,
		SelectDB:         s.addr.db,
		ClientName:       "cloakroom",
		TLSConfig:        secure,
		Dialer:           dialer,
		ConnWriteTimeout: s.patience,

		// One connection to each node: a notice comes on the connection that has read.
		PipelineMultiplex:     -1,
		ClientTrackingOptions: []string{"NOLOOP"},
		OnInvalidations:       s.heard,
		CacheSizeEachConn:     1 << 20, // What is cached is cached by the caller.

		// It would retry without end while a server is away.
		DisableRetry: true,

		ReadBufferEachConn:  64 << 10,
		WriteBufferEachConn: 64 << 10,
	}
	switch s.addr.mode {
	case single:
		o.ForceSingleClient = true
	case sentinel:
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: s.addr.master,
			Username:  s.addr.sentinelUser,
			Password:  s.addr.sentinelPass,
			TLSConfig: secure,
			Dialer:    dialer,
			// One switch-master message that is missed would bind us to the old master.
			TopologyRefreshInterval: time.Second,
		}
	case cluster:
		o.ClusterOption = rueidis.ClusterOption{ShardsRefreshInterval: 5 * time.Second, MaxMovedRedirections: 8}
	}
	return o
}

// tlsConfig reads the files that the URL names. The client certificate is read again for
// each connection, so that it can be renewed.
func (a address) tlsConfig() (*tls.Config, error) {
	if !a.tls {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: a.serverName}
	if a.caFile != "" {
		pem, err := os.ReadFile(a.caFile)
		if err != nil {
			return nil, fmt.Errorf("redisstore: ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redisstore: ca_file: %s has no certificate in PEM", a.caFile)
		}
	}
	if a.certFile != "" {
		load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(a.certFile, a.keyFile)
			if err != nil {
				return nil, fmt.Errorf("redisstore: cert_file and key_file: %w", err)
			}
			return &pair, nil
		}
		if _, err := load(nil); err != nil {
			return nil, err
		}
		c.GetClientCertificate = load
	}
	return c, nil
}
