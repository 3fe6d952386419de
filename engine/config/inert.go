package config

// inertReasons are why directives that the engine takes have no effect on it: a production
// redis.conf starts, and is told once of each that it changes.
var inertReasons = map[string]string{
	"active-defrag-cycle-max": runtimes, "active-defrag-cycle-min": runtimes, "active-defrag-ignore-bytes": runtimes,
	"active-defrag-max-scan-fields": runtimes, "active-defrag-threshold-lower": runtimes, "active-defrag-threshold-upper": runtimes,
	"activedefrag": runtimes, "jemalloc-bg-thread": runtimes, "disable-thp": runtimes,
	"activerehashing":     "tables are not rehashed step by step",
	"aof_rewrite_cpulist": processors, "bgsave_cpulist": processors, "bio_cpulist": processors, "server_cpulist": processors,
	"cluster-announce-tls-port": noTLS,
	"crash-log-enabled":         "the runtime tells of crashes", "crash-memcheck-enabled": "the runtime tells of crashes",
	"daemonize": "it stays in the foreground", "supervised": "it stays in the foreground", "pidfile": "it stays in the foreground",
	"dynamic-hz":                "cron comes as often as hz says, however many clients there are",
	"enable-module-command":     "there are no modules",
	"lua-enable-deprecated-api": "scripts have no functions that are deprecated",
	"use-exit-on-panic":         "a server that panics ends with the status of abort", "watchdog-period": "there is no watchdog",
	"ignore-warnings": "it does not warn of what that is about",
	"io-threads":      "one loop serves all clients", "io-threads-do-reads": "one loop serves all clients",
	"lazyfree-lazy-server-del": freed, "lazyfree-lazy-user-flush": freed, "replica-lazy-flush": freed,
	"list-compress-depth": "nodes of lists are not compressed in memory, and never were in files",
	"oom-score-adj":       "the machine's memory is left to it", "oom-score-adj-values": "the machine's memory is left to it",
	"proc-title-template": "a program keeps its title", "set-proc-title": "a program keeps its title",
	"protected-mode":           "it listens on loopback addresses alone",
	"repl-disable-tcp-nodelay": sockets, "socket-mark-id": sockets, "tcp-backlog": sockets, "tcp-keepalive": sockets,
	"sanitize-dump-payload": "every payload is examined in full",
	"syslog-enabled":        "the log is a file, or what it is started with", "syslog-facility": "the log is a file, or what it is started with", "syslog-ident": "the log is a file, or what it is started with",
	"tls-auth-clients": noTLS, "tls-ca-cert-dir": noTLS, "tls-ca-cert-file": noTLS, "tls-cert-file": noTLS, "tls-ciphers": noTLS, "tls-ciphersuites": noTLS,
	"tls-client-cert-file": noTLS, "tls-client-key-file": noTLS, "tls-client-key-file-pass": noTLS, "tls-cluster": noTLS, "tls-dh-params-file": noTLS,
	"tls-key-file": noTLS, "tls-key-file-pass": noTLS, "tls-port": noTLS, "tls-prefer-server-ciphers": noTLS, "tls-protocols": noTLS, "tls-replication": noTLS,
	"tls-session-cache-size": noTLS, "tls-session-cache-timeout": noTLS, "tls-session-caching": noTLS,
}

const (
	runtimes   = "memory is the runtime's"
	processors = "processors are the system's to share out"
	noTLS      = "there is no TLS"
	sockets    = "sockets are as the runtime makes them"
	freed      = "the runtime collects what is deleted; the log and replicas are told the same either way"
)

// Why is why a directive has no effect; "" for one that has.
func Why(name string) string { return inertReasons[name] }
