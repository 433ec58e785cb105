// Package redisstore keeps session records in Redis or Valkey: the store of a gateway that
// runs as many replicas. It needs Redis 6.2 or later, or any Valkey; one server, Sentinel
// or Cluster.
//
//	store, err := redisstore.Open("rediss://cloakroom:secret@redis:6379/0?ca_file=/etc/ca.pem", redisstore.Options{})
//	if err != nil {
//		return err // the URL or a file that it names is wrong; no server was asked
//	}
//	defer store.Close()
//	store.Notify(func(id session.ID) { … }) // before anything is loaded
//	go store.Run(ctx)                       // watches the link; without it Linked is false
//
// # What lies where
//
// Every key begins with the prefix, cloakroom: unless the URL says otherwise, and every key
// expires. Braces are what Cluster takes a key's slot from.
//
//	cloakroom:{id}         string      format | version | due | expires | index keys | sealed data
//	cloakroom:key:{key}    sorted set  ids that may have this index key, by their expiry
//	cloakroom:due:{0…7}    sorted set  ids that may be due, by when
//	cloakroom:ack:{id}     string      for a second, while replicas are waited for
//
// The record is the truth, and one key: a script compares the version and writes value and
// expiry in one step, by the server's clock. A record that is gone cannot come back, since
// only Create writes where nothing is.
//
// # Hints
//
// The sorted sets are in other slots than the record, so they cannot change with it. They
// are hints, and each is checked against its record when it is read. So that a hint may be
// stale but never missing, whatever dies and wherever:
//
//	writer   1. adds its hints, lowering a due time, never raising it
//	         2. writes the record, unless ten seconds have passed since 1
//	         3. raises a due time that has passed already, if nobody has touched
//	            the hint since 1
//	reader   4. corrects a hint that its record does not bear out,
//	            if nobody has touched it for a minute
//
// The limit in 2 is what makes 4 safe: a hint that is a minute old has no writer any more.
// 3 is safe since of two writers of one version only one succeeds; it keeps the front of the
// queue short after thousands of sessions have ended at once. A score holds the time in
// milliseconds in its upper bits, and in its lower ten the minute in which a writer touched
// it, to sixteen, and a count of touches, to 64.
//
// # Notices
//
// What a process has loaded or written it may keep in memory: the server tells it when
// somebody else has changed that (server-assisted client-side caching). The tracking is by
// key, without loops, on the one connection to each node over which everything goes:
//
//   - A node hears of nothing that it has not read on that very connection. So there is no
//     moment in which a record comes from a node that does not report yet, as there would be
//     with a connection for notices only, when a slot moves or a master changes.
//   - A process does not hear of its own writes, and goes on hearing of the record: the
//     scripts read it once more after they have written it. In broadcast mode servers do
//     report a script's writes to the script's own caller, and every replica would hear of
//     every write of every other.
//
// A server remembers a million such keys (tracking-table-max-keys). Of one that it forgets
// it sends a notice, too: too small a table costs loads, and nothing else.
//
// [Store.Linked] says whether notices flow. It follows a heartbeat through the same
// connection: the answer comes behind all notices that the server had sent until then, so
// that while Linked is true nothing that is older than 800 ms is unknown.
//
// # What the server should be told
//
// maxmemory-policy noeviction, or sessions vanish under load. Durability is the server's:
// with appendfsync everysec a crash of its machine loses a second; replication is
// asynchronous, and [Options.WaitReplicas] narrows what a failover can lose. A master that
// is cut off from its Sentinels or its Cluster serves until it notices; min-replicas-to-write
// stops it from taking writes that will be lost. An ACL needs no more than this, and for
// [Store.Survey] +info, +config|get:
//
//	user cloakroom on >secret ~cloakroom:* resetchannels -@all +hello +client +select +ping +role +time
//	  +eval +evalsha +get +set +getrange +strlen +exists +del +pexpireat +pttl
//	  +zadd +zcard +zscore +zrem +zrange +zrevrange +zrangebyscore +zremrangebyscore +wait +cluster|slots +cluster|shards
package redisstore
