"""What a program does with redis-py; each call and its answer is a line."""
import sys
import threading

import redis
from redis.exceptions import LockError, LockNotOwnedError, NoScriptError, ResponseError, WatchError

r = redis.Redis(host=sys.argv[1], port=int(sys.argv[2]), decode_responses=True)


def say(name, *args, fails=None, **options):
    """Calls r.name, which must fail with fails if that is given, and only then."""
    try:
        answer = getattr(r, name)(*args, **options)
        if fails:
            sys.exit(f"{name} {args} does not fail")
    except redis.RedisError as e:
        if not fails or not isinstance(e, fails):
            raise
        answer = f"{type(e).__name__}: {e}"
    if isinstance(answer, set):
        answer = sorted(answer)
    print(name, *args, options or "", "->", answer)


say("ping")
say("echo", "a b")
say("client_setname", "redispy")
say("client_getname")
say("dbsize")
# strings
say("set", "s", "v", ex=3600)
say("set", "s", "w", nx=True)
say("set", "s", "w", keepttl=True, get=True)
say("persist", "s")
say("ttl", "s")
say("getex", "s", px=3600000)
say("append", "s", "xyz")
say("getrange", "s", 1, -2)
say("setrange", "s", 6, "!")
say("strlen", "s")
say("getdel", "s")
say("get", "s")
say("mset", {"n": 1, "f": 1.5})
say("msetnx", {"n": 1, "g": 1})
say("incrby", "n", 41)
say("decr", "n", 2)
say("incrbyfloat", "f", 0.1)
say("mget", "n", "f", "absent")
say("incr", "f", fails=ResponseError)
say("lcs", "n", "f", idx=True)
say("setbit", "bits", 70, 1)
say("bitcount", "bits", 0, -1)
say("bitpos", "bits", 1)
say("bitop", "NOT", "tips", "bits")
print("bitfield ->", r.bitfield("bits", "SAT").incrby("u4", 3, 9).incrby("u4", 3, 9).get("u8", 0).execute())
say("pfadd", "hll", "a", "b", "c")
say("pfmerge", "hll2", "hll")
say("pfcount", "hll", "hll2")
# lists
say("rpush", "l", "a", "b", "c", "b")
say("lpushx", "absent", "a")
say("linsert", "l", "BEFORE", "c", "x")
say("lpos", "l", "b", count=0)
say("lrem", "l", -1, "b")
say("lset", "l", 0, "A")
say("lset", "l", 10, "A", fails=ResponseError)
say("lmove", "l", "m", "LEFT", "RIGHT")
say("rpoplpush", "l", "m")
say("lmpop", 2, "absent", "l", direction="RIGHT", count=2)
say("blpop", ["absent", "m"], timeout=1)
say("brpop", "absent", timeout=0.01)
say("lrange", "m", 0, -1)
say("ltrim", "m", 1, 0)
# hashes
say("hset", "h", "a", 1, mapping={"b": "two", "c": 3})
say("hsetnx", "h", "a", 2)
say("hincrby", "h", "a", 2)
say("hincrbyfloat", "h", "c", 0.25)
say("hmget", "h", "a", "c", "z")
say("hgetall", "h")
say("hdel", "h", "a", "z")
say("hexists", "h", "a")
say("hstrlen", "h", "b")
print("hscan_iter ->", list(r.hscan_iter("h")))
# sets
say("sadd", "x", 1, 2, 3)
say("sadd", "y", 2, 3, 4)
say("sinter", "x", "y")
say("sintercard", 2, ["x", "y"], limit=1)
say("sunionstore", "z", "x", "y")
say("sdiff", "x", "y")
say("smismember", "z", [1, 9])
say("smove", "x", "z", 2)
say("srem", "z", 1, 2, 9)
say("smembers", "z")
# sorted sets
say("zadd", "zs", {"a": 1, "b": 2.5, "c": 3})
say("zadd", "zs", {"a": 9, "c": 1}, gt=True, ch=True)
say("zadd", "zs", {"a": 1}, incr=True)
say("zincrby", "zs", -0.5, "b")
say("zrange", "zs", 0, -1, desc=True, withscores=True)
say("zrangebyscore", "zs", "(2", "+inf", start=0, num=1)
say("zrangestore", "zt", "zs", 0, 1)
say("zrank", "zs", "c")
say("zcount", "zs", "-inf", "(3")
say("zmscore", "zs", ["a", "none"])
say("zunion", {"zs": 2, "zt": 1}, aggregate="MAX", withscores=True)
say("zlexcount", "zt", "-", "+")
say("zpopmax", "zs")
say("bzpopmin", "zs", timeout=1)
say("zremrangebyrank", "zt", 0, 0)
# places
say("geoadd", "geo", [13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania"])
say("geodist", "geo", "Palermo", "Catania", unit="km")
say("geopos", "geo", "Catania", "absent")
say("geohash", "geo", "Palermo")
say("geosearch", "geo", longitude=15, latitude=37, radius=200, unit="km", sort="ASC", withdist=True)
# streams
say("xadd", "st", {"k": "v"}, id="1-1")
say("xadd", "st", {"k": "w"}, id="1-2", maxlen=10)
say("xadd", "st", {"k": "w"}, id="1-2", fails=ResponseError)
say("xgroup_create", "st", "g", id="0")
say("xgroup_create", "st", "g", id="0", fails=ResponseError)
say("xreadgroup", "g", "c1", {"st": ">"}, count=1)
say("xreadgroup", "g", "c1", {"st": ">"}, block=1000)
say("xpending", "st", "g")
say("xack", "st", "g", "1-1")
say("xclaim", "st", "g", "c2", 0, ["1-2"], justid=True)
say("xrange", "st")
say("xread", {"st": "1-1"}, block=1000)
say("xlen", "st")
say("xinfo_groups", "st")
say("xdel", "st", "1-1")
# keys
say("type", "st")
say("rename", "h", "h2")
say("rename", "absent", "h2", fails=ResponseError)
say("copy", "h2", "h3")
say("sort", "x", desc=True, get=["#", "absent-*"])
say("expire", "h3", 3600, nx=True)
say("expireat", "h3", 1)
say("exists", "h2", "h3", "h2")
say("object", "encoding", "h2")
say("unlink", "h2", "z", "absent")
say("move", "hll", 3)
say("lpush", "n", "wrong type", fails=ResponseError)
say("config_get", "maxmemory-policy")
say("config_set", "maxmemory-policy", "nosuch", fails=ResponseError)
print("scan_iter ->", sorted(r.scan_iter("*", _type="string")))
dumped = redis.Redis(host=sys.argv[1], port=int(sys.argv[2])).dump("x")
print("restore ->", r.restore("x2", 0, dumped), sorted(r.smembers("x2")))

# scripts
add = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
print("script ->", add(keys=["n"], args=[7]), add(keys=["n"], args=[1]))
say("evalsha", "0" * 40, 0, fails=NoScriptError)
say("eval", "return {KEYS[1], ARGV[1], 3.9, false, 'x'}", 1, "k", "a")
say("eval", "return redis.call('nosuch')", 0, fails=ResponseError)
say("script_exists", add.sha, "0" * 40)
say("function_load", "#!lua name=lib\nredis.register_function('f', function(keys, args) return redis.call('SET', keys[1], args[1]) end)")
say("fcall", "f", 1, "byf", "v")
say("get", "byf")

# pipelines
with r.pipeline(transaction=False) as p:
    for i in range(100):
        p.rpush("piped", i)
    p.incr("piped").llen("piped")
    print("pipeline ->", p.execute(raise_on_error=False)[98:])
with r.pipeline() as p:
    print("transaction ->", p.set("tx", 1).incr("tx", 2).get("tx").execute())
with r.pipeline() as p:
    p.watch("tx")
    r.set("tx", 10)
    p.multi()
    p.set("tx", 0)
    try:
        p.execute()
        sys.exit("what was watched has been written")
    except WatchError as e:
        print("watched ->", e, r.get("tx"))
print("transaction ->", r.transaction(lambda p: (p.multi(), p.set("tx", 11)), "tx"))

# publish and subscribe
sub = r.pubsub()
sub.subscribe("news")
sub.psubscribe("n*")
for _ in range(2):
    print("subscribed ->", sub.get_message(timeout=60))
print("publish ->", r.publish("news", "hello"), r.pubsub_channels(), r.pubsub_numsub("news", "olds"), r.pubsub_numpat())
for _ in range(2):
    print("received ->", sub.get_message(timeout=60))
sub.unsubscribe()
print("unsubscribed ->", sub.get_message(timeout=60))
sub.close()

# locks
one, two = r.lock("lock", timeout=3600), r.lock("lock", timeout=3600, blocking_timeout=0.01)
print("lock ->", one.acquire(), two.acquire(), one.owned(), two.owned(), one.extend(10), r.ttl("lock") > 3600)
try:
    two.release()
    sys.exit("a lock is freed that is not held")
except LockError as e:
    print("not held ->", e)
r.set("lock", "another's")
try:
    one.release()
    sys.exit("another's lock is freed")
except LockNotOwnedError as e:
    print("another's ->", e)
r.delete("lock")
with r.lock("lock", timeout=3600):
    # Who waits in line has it when it is free.
    waiter = threading.Thread(target=lambda: r.lock("lock", timeout=3600, sleep=0.01).acquire())
    waiter.start()
waiter.join()
print("lock handed on ->", r.exists("lock"))
say("flushall")
