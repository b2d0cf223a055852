package main

var (
	inRedis    = []string{"store/redisstore"}
	inPostgres = []string{"store/pgstore"}
)

// theStores is what is promised of databases that are set back, emptied, or not as durable as they say.
var theStores = []defect{
	{
		name: "stores: an older revision is not noticed", breaks: "a record that went back is damage",
		pkg: "store", fn: "Seen.Note", from: `if rev < before {`, to: `if false {`, tests: []string{"store"}, run: "TestSeen",
	},
	{
		name: "stores: what a listing lacks is not missed", breaks: "records that vanish are said",
		pkg: "store", fn: "Seen.Missing", from: `at.lists < begun &&`, to: `at.lists < 0 &&`, tests: []string{"store"}, run: "TestSeen",
	},
	{
		name: "stores: every listing misses all", breaks: "what a listing met is not missed",
		pkg: "store", fn: "Seen.Note", from: `keys[key] = sighting{max(rev, keys[key].rev), s.lists}`,
		to: `keys[key] = sighting{max(rev, keys[key].rev), 0}`, tests: []string{"store"}, run: "TestSeen",
	},
	{
		name: "stores: a record that authorizes less is gone on with", breaks: "a ceiling that sank is damage",
		pkg: "internal/ledger", fn: "Account.refresh", from: `stored.Authorized().Less(before) {`, to: `false && stored.Authorized().Less(before) {`,
		tests: []string{"internal/ledger"}, run: "TestOldCopyUnderASession",
	},
	{
		name: "stores: Redis writes below what was seen", breaks: "a Put below a seen revision never writes",
		pkg: "store/redisstore", fn: "Store.Put", from: `if rev < before {`, to: `if false {`, tests: inRedis, run: "TestSetBack",
	},
	{
		name: "stores: Redis lists without what is gone", breaks: "records that vanish are said",
		pkg: "store/redisstore", fn: "Store.List", from: `s.missing(ctx, prefix, begun, yield)`, to: `_ = begun`, tests: inRedis, run: "TestSetBack",
	},
	{
		name: "stores: Redis writes beside an index of another type", breaks: "nothing is written where damage is reported",
		pkg: "store/redisstore", fn: "swap", from: `if index ~= 'zset' and not`, to: `if false and not`, tests: inRedis, run: "TestIndexOfAnotherType",
	},
	{
		name: "stores: a lost index is not rebuilt", breaks: "no record is forgotten by listings",
		pkg: "store/redisstore", fn: "Store.page", from: `if err := s.reindex(ctx); err != nil {`, to: `if err := error(nil); err != nil {`,
		tests: inRedis, run: "TestLostIndex",
	},
	{
		name: "stores: an unwritten append-only file is taken", breaks: "an acknowledged write survives a kill",
		pkg: "store/redisstore", fn: "rules", from: `{"aof_rewrite_in_progress", "0", pendingRewrite},`, to: ``,
		tests: inRedis, run: "TestAppendOnlyFileWithoutARewrite",
	},
	{
		name: "stores: a promoted server is taken", breaks: "a server that lacks writes is refused",
		pkg: "store/redisstore", fn: "rules", from: `"master_replid2",`, to: `"role", "master", ""}, {"master_replid",`,
		tests: inRedis, run: "TestReplicaThatIsAway",
	},
	{
		name: "stores: PostgreSQL writes below what was seen", breaks: "a Put below a seen revision never writes",
		pkg: "store/pgstore", fn: "Store.Put", from: `if rev < s.seen.Rev(key) {`, to: `if false {`, tests: inPostgres, run: "TestPostgres",
	},
	{
		name: "stores: PostgreSQL lists without what is gone", breaks: "records that vanish are said",
		pkg: "store/pgstore", fn: "Store.List", from: `s.missing(ctx, prefix, begun, yield)`, to: `_ = begun`, tests: inPostgres, run: "TestPostgres",
	},
	{
		name: "stores: what is not replicated is read", breaks: "what Get shows survives the fail-over",
		pkg: "store/pgstore", fn: "Store.get", from: `if rev > before && s.waits(standby) {`, to: `if false {`,
		tests: inPostgres, run: "TestSynchronousStandby",
	},
	{
		name: "stores: what is not replicated is listed", breaks: "what List shows survives the fail-over",
		pkg: "store/pgstore", fn: "Store.page", from: `if err == nil && unknown {`, to: `if false {`,
		tests: inPostgres, run: "TestSynchronousStandby",
	},
	{
		name: "stores: the warning of the server is ignored", breaks: "a wait that was canceled is an unknown outcome",
		pkg: "store/pgstore", fn: "Store.exec", from: `if cut.Load() {`, to: `if false {`, tests: inPostgres, run: "TestSynchronousStandby",
	},
	{
		name: "stores: a write is canceled with its caller", breaks: "nobody ends the wait for the standby",
		pkg: "store/pgstore", fn: "Store.exec", from: `context.WithTimeout(context.WithoutCancel(ctx), s.bound)`,
		to: `context.WithTimeout(ctx, s.bound)`, tests: inPostgres, run: "TestSynchronousStandby",
	},
	{
		name: "stores: settings of others are left", breaks: "a commit waits for the disk whatever is left on the connection",
		pkg: "store/pgstore", fn: "insert", from: `set_config('synchronous_commit', $4, true)`, to: `$4::text`, tests: inPostgres, run: "TestPooler",
	},
	{
		name: "stores: the search_path of others is used", breaks: "records are those of the configured schema",
		pkg: "store/pgstore", fn: "settings", from: `CASE WHEN $1 THEN setting ELSE reset_val END`, to: `CASE WHEN $1 THEN setting ELSE setting END`,
		tests: inPostgres, run: "TestPooler",
	},
	{
		name: "stores: partitions are not looked at", breaks: "no record is in a table that a crash empties",
		pkg: "store/pgstore", fn: "settings", from: `JOIN tree ON inhparent = tree.oid`, to: `JOIN tree ON inhparent = tree.oid AND false`,
		tests: inPostgres, run: "TestPostgres",
	},
}
