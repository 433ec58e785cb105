package proxy

// succeed takes over what a gateway has in common with the one in whose place it comes.
func (g *Gateway) succeed(before *Gateway) {
	g.ways = &ways{pools: pools{}, transports: transports{}, proofs: &proofs{now: g.cfg.Now}, before: &ways{}}
	if before == nil {
		g.logins, g.guesses = &logins{}, &guesses{}
		g.logouts, g.signals = make(turnstile, logoutsAtOnce), make(turnstile, logoutsAtOnce)
		g.streams = &streams{observe: g.cfg.ObserveStream, leaving: make(chan struct{})}
		return
	}
	g.logins, g.logouts, g.signals, g.guesses, g.streams = before.logins, before.logouts, before.signals, before.guesses, before.streams
	g.ways.before, g.ways.proofs = before.ways, before.ways.proofs
}

// ways are how requests get to upstreams: the connections, and what is known of the servers.
// The same way leads to the same upstream before and after a change of the routes. One that is
// no longer taken has no watcher, and its connections close when they have been idle for long.
type ways struct {
	pools      pools
	transports transports
	proofs     *proofs
	before     *ways // of the gateway before, while this one is made; nil afterwards
}

// known returns the value of a key: the one that is there, the one from before, or a new one.
func known[K comparable, V any](now, before map[K]*V, key K, fresh func() *V) *V {
	if now[key] == nil {
		if now[key] = before[key]; now[key] == nil {
			now[key] = fresh()
		}
	}
	return now[key]
}
