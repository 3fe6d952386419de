# Every target does its own set-up; scripts/setup installs what is missing.

GO          ?= go
FUZZTIME    ?= 20s
FUZZPARALLEL ?= $(shell getconf _NPROCESSORS_ONLN)
BENCHTIME   ?= 1s
CLUSTER_SEEDS ?= 1000
PROVE_SEEDS ?= 20000
HISTORIES   ?= 100000
TRANSACTIONS ?= 20000
LISTS       ?= 10000
TABLE       ?= 1000000
COMMANDS    ?= 250000
PRESSED     ?= 100000
ROUNDS      ?= 5
MUTANTS     ?= 200
CRASHES     ?= 3000
EXPERIMENTS ?= 1000000
CLAUSE_CRASHES ?= 1000
DEFECTS     ?= 12
ENDS        ?= 300
CLUSTER_RUNS ?= 4
SOAK        ?= 30
BUDGET      ?= 20m
PREFIX      ?= /usr/local
# checker/exhaustive is a part of the tests.
PACKAGES    ?= $$($(GO) list ./checker/... | grep -v /exhaustive$$)
# Pinned, so that a new release of the linter is a change like any other.
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE    ?= golang.org/x/tools/cmd/deadcode@v0.52.0

.DEFAULT_GOAL := help
.PHONY: help build run nightly policies claims install clean splitbrain test lint bench bench-mount bench-engine prove prove-engine prove-pressure prove-histories prove-transactions prove-large-histories prove-load prove-clauses prove-clusters prove-schedules prove-directives prove-guidance prove-hardening prove-ends prove-soak mutants mutants-engine mutants-verdicts explore fuzz redis-suite fidelity

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/torntail
	@mkdir -p bin
	$(GO) build -trimpath -o bin/torntail ./cmd/torntail

run: ## build, then show what each persistence mode loses
	@scripts/setup
	@$(MAKE) --no-print-directory build
	bin/torntail run --crash kill,kill-in-fsync,power,power-in-fsync,tail-cut

nightly: ## build, then a night of suites/nightly.yaml: BUDGET of time, in nights/DATE, compared with the night before
	@scripts/setup
	@$(MAKE) --no-print-directory build
	TORNTAIL=bin/torntail scripts/nightly suites/nightly.yaml nights --for $(BUDGET)

policies: ## build, then what persistence settings cost on this disk, and what they can lose
	@scripts/setup
	@$(MAKE) --no-print-directory build
	bin/torntail policies

claims: ## build, then put to the test what is said of Redis's persistence
	@scripts/setup
	@$(MAKE) --no-print-directory build
	bin/torntail suite suites/claims.yaml

install: build ## install bin/torntail as PREFIX/bin/torntail
	install -D -m 755 bin/torntail $(DESTDIR)$(PREFIX)/bin/torntail

clean: ## remove what make builds and what killed runs have left; results stay
	-test ! -x bin/torntail || bin/torntail doctor --clean
	rm -rf bin

splitbrain: ## build, then partition a master as Kingsbury did in 2013 and account for every write
	@scripts/setup
	@$(MAKE) --no-print-directory build
	bin/torntail splitbrain aphyr-2013 --target redis-server

# gotest says what is running; the last lines of the output are go test's own.
test: ## vet and test everything
	@scripts/setup --tests
	$(GO) vet ./...
	@$(GO) build -o bin/gotest ./internal/gotest
	bin/gotest -timeout=9m ./...

lint: ## formatting, vet (on macOS as well), staticcheck, functions that nothing calls
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not formatted: $$unformatted" >&2; exit 1; }
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	@dead=$$($(GO) run $(DEADCODE) -test ./...) || exit 1; test -z "$$dead" || { echo "$$dead" >&2; exit 1; }

bench: ## benchmarks, with allocations
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

bench-mount: ## redis-server on the fault disk, against the host's file system and a plain loopback
	@scripts/setup
	$(GO) test -run '^$$' -bench 'RedisOnMount' -benchtime 1x -timeout 1h ./harness/mount

# bin/bench-engine-COMMIT.jsonl remembers what is measured: what was interrupted is taken up again.
bench-engine: ## the engine beside redis-server: CPU of commands, peak memory, saving and loading; ROUNDS alternating rounds
	@scripts/setup --tests
	@mkdir -p bin
	TORNTAIL_SPEED=$(ROUNDS) TORNTAIL_PROGRESS=$(CURDIR)/bin/bench-engine-$$(git rev-parse HEAD).jsonl $(GO) test -count=1 -timeout 2h -v -run TestSpeedBesideRedis ./engine/listen

prove: ## no false alarm over PROVE_SEEDS seeds of the correct engine; 50 times as many experiments in one process
	TORNTAIL_SEEDS=$(PROVE_SEEDS) $(GO) test -count=1 -timeout 4h -v -run 'TestNoFalseAlarm|TestAlwaysLosesNothing|TestExperimentsDoNotGrowTheProcess' ./harness/campaign
	$(MAKE) --no-print-directory prove-schedules
	TORNTAIL_CLUSTER_SEEDS=$(CLUSTER_SEEDS) $(GO) test -count=1 -timeout 4h -v -run 'TestPlantedBugsAreFound' ./harness/simcluster
	TORNTAIL_SEEDS=$(PROVE_SEEDS) $(GO) test -count=1 -timeout 30m -v -run 'TestTwentyRunsInARow|TestSentinelsOwnTiming' ./harness/cluster

# bin/prove-engine-COMMIT.json remembers the seeds that are done: what was interrupted is taken up again.
prove-engine: ## the engine against redis-server, COMMANDS random commands over seeds from the commit's hash; wrong rules are found
	@scripts/setup --tests
	@mkdir -p bin
	TORNTAIL_COMMANDS=$(COMMANDS) TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-engine-$$(git rev-parse HEAD).json $(GO) test -count=1 -timeout 60m -v -run TestSameAsRedis ./engine
	RAPID_CHECKS=1500 $(GO) run ./internal/mutants -short=false -edits engine/testdata/wrong-rules.txt -tests ./engine -run TestSameAsRedis -workers 1

# bin/prove-schedules-HASH.jsonl remembers the seeds that are done. The hash is of the test
# program, as with prove-directives.
prove-schedules: ## no false alarm of the correct engine over CLUSTER_SEEDS seeds of each schedule of cluster faults
	@mkdir -p bin
	$(GO) test -c -trimpath -buildvcs=false -o bin/prove-schedules.test ./harness/simcluster
	cd harness/simcluster && TORNTAIL_CLUSTER_SEEDS=$(CLUSTER_SEEDS) \
		TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-schedules-$$(sha256sum < $(CURDIR)/bin/prove-schedules.test | cut -c1-16).jsonl \
		TORNTAIL_TABLE=$(CURDIR)/docs/proof/schedules.md $(CURDIR)/bin/prove-schedules.test -test.timeout 5h -test.v -test.run 'TestSchedules$$'

# bin/prove-pressure-COMMIT.jsonl remembers the rounds that are done.
prove-pressure: ## the engine against redis-server while memory is short, keys expire, replicas lag and are written to, children are killed: PRESSED commands
	@scripts/setup --tests
	@mkdir -p bin
	TORNTAIL_COMMANDS=$(PRESSED) TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-pressure-$$(git rev-parse HEAD).jsonl $(GO) test -count=1 -timeout 4h -v -run TestSameUnderPressure ./engine

# bin/prove-load-COMMIT.jsonl remembers the crashes that are done: what was interrupted is taken up again.
prove-load: ## sound servers are not accused on a busy machine (CRASHES crashes), and planted bugs are found on it (DEFECTS runs each)
	@scripts/setup --tests
	@mkdir -p bin
	TORNTAIL_CRASHES=$(CRASHES) TORNTAIL_DEFECTS=$(DEFECTS) TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-load-$$(git rev-parse HEAD).jsonl $(GO) test -count=1 -timeout 60m -v -run 'UnderLoad' ./harness/campaign

# bin/prove-clauses-COMMIT.jsonl remembers the crashes that are done.
prove-clauses: ## no clause that was argued from Redis's source is broken by redis-server in CLAUSE_CRASHES crashes of each setting
	@scripts/setup --tests
	@mkdir -p bin
	TORNTAIL_CRASHES=$(CLAUSE_CRASHES) TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-clauses-$$(git rev-parse HEAD).jsonl $(GO) test -count=1 -timeout 4h -v -run 'TestClausesOfRedisServer' ./harness/campaign

# bin/prove-directives-HASH.jsonl remembers the experiments that are done. The hash is of the
# test program: a commit that changes nothing in it goes on, and what another program did,
# whatever the change, does not count.
prove-directives: ## no false alarm of the correct engine over EXPERIMENTS experiments, with whatever directives have an effect
	@mkdir -p bin
	$(GO) test -c -trimpath -buildvcs=false -o bin/prove-directives.test ./harness/campaign
	cd harness/campaign && TORNTAIL_EXPERIMENTS=$(EXPERIMENTS) \
		TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-directives-$$(sha256sum < $(CURDIR)/bin/prove-directives.test | cut -c1-16).jsonl \
		$(CURDIR)/bin/prove-directives.test -test.timeout 5h -test.v -test.run 'TestNoFalseAlarmWhateverIsSet'

# What could hold up the machine, were it broken: nothing of it is in the tests.
prove-hardening: ## hostile inputs, and what they cost; real disks under a limit of 60 MiB of memory
	@scripts/setup --tests
	TORNTAIL_TABLE=$(CURDIR)/docs/proof/hostile.md $(GO) test -count=1 -timeout 30m -run 'TestHostile' ./cmd/torntail
	TORNTAIL_HARDENING=1 $(GO) test -count=1 -timeout 30m -v -run 'TestHardening' ./cmd/torntail
	$(GO) test -count=1 -v -run 'Disks|Memory' ./faults/guard

# bin/prove-clusters-COMMIT.jsonl remembers the experiments that are done.
prove-clusters: ## what each incident that people report loses with each persistence, CLUSTER_RUNS times on redis-server, five times as often in simulation
	@scripts/setup --tests
	@mkdir -p bin
	TORNTAIL_CLUSTER_RUNS=$(CLUSTER_RUNS) TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-clusters-$$(git rev-parse HEAD).jsonl TORNTAIL_TABLE=$(CURDIR)/docs/proof/clusters.md $(GO) test -count=1 -timeout 2h -v -run 'TestTableOfIncidents' ./harness/cluster

# bin/prove-guidance-COMMIT.txt remembers the tries that are done.
prove-guidance: ## how many experiments a hunt takes to find each planted bug, by each way of choosing what is changed and by uniform drawing
	@mkdir -p bin
	TORNTAIL_EXPERIMENTS=10000 TORNTAIL_SEEDS=20 TORNTAIL_PROGRESS=$(CURDIR)/bin/prove-guidance-$$(git rev-parse HEAD).txt TORNTAIL_TABLE=$(CURDIR)/docs/proof/guidance.md $(GO) test -count=1 -timeout 48h -v -run 'TestGuidanceAgainstUniformDrawing' ./harness/hunt

prove-ends: ## ENDS commands are ended in all ways at drawn moments: what is left before and after torntail doctor --clean
	@scripts/setup --tests
	TORNTAIL_ENDS=$(ENDS) TORNTAIL_TABLE=$(CURDIR)/docs/proof/ends.md $(GO) test -count=1 -timeout 4h -v -run 'TestForcedEnds' ./cmd/torntail

prove-soak: ## what a process holds that works for SOAK minutes, by minute, does not grow
	@scripts/setup --tests
	TORNTAIL_SOAK=$(SOAK) TORNTAIL_TABLE=$(CURDIR)/docs/proof/soak.md $(GO) test -count=1 -timeout 4h -v -run 'TestSoak' ./cmd/torntail

prove-transactions: ## checker/transactions against slower judges on TRANSACTIONS random histories each; each planted wrong rule is found
	TORNTAIL_HISTORIES=$(TRANSACTIONS) TORNTAIL_PLANTS=all $(GO) test -count=1 -timeout 1h -v -run 'Agree|Planted|Complete|Bank' ./checker/transactions

prove-large-histories: ## torntail check on histories of 20 million lines, and of 2.5 million, within 2 GiB of memory
	TORNTAIL_LINES=20000000 TORNTAIL_MEMORY=2048 $(GO) test -count=1 -timeout 50m -v -run 'TestLargeHistories' ./cmd/torntail

# Each line stands alone: what was interrupted is taken up again with the line.
prove-histories: ## the judges of histories: every order tried on HISTORIES histories, wrong rules found, models held against redis-server, a table of costs
	@scripts/setup --tests
	TORNTAIL_HISTORIES=$(HISTORIES) $(GO) test -count=1 -timeout 30m -v -run 'EveryOrder' ./checker ./checker/linear
	TORNTAIL_HISTORIES=20000 $(GO) run ./internal/mutants -edits checker/testdata/wrong-rules.txt -tests ./checker -run EveryOrder
	TORNTAIL_LISTS=$(LISTS) $(GO) test -count=1 -timeout 30m -v ./checker/exhaustive
	TORNTAIL_TABLE=$(TABLE) $(GO) test -count=1 -timeout 60m -v -run TestTable ./checker

# Stopped, it goes on where it was when it is started again at the same commit.
mutants: ## change one token of PACKAGES at a time, MUTANTS times, drawn from the commit's hash: do the tests fail?
	@scripts/setup --tests
	@mkdir -p bin
	$(GO) run ./internal/mutants -short -packages "$(PACKAGES)" -tests ./checker/... -count $(MUTANTS) -log bin/mutants-$$(git rev-parse HEAD)

mutants-verdicts: ## the same for the code that judges an experiment: facts of the disk's log, findings, contracts, clauses, tally
	@scripts/setup --tests
	@mkdir -p bin
	$(GO) run ./internal/mutants -short -packages "./checker ./checker/contract ./checker/durability ./harness/experiment ./harness/campaign ./harness/product/finding ./harness/product/redis" \
		-files 'checker/(crash|judge|assumptions)\.go|checker/contract/|durability/clauses|experiment/(facts|judging|outcome)|campaign/result|product/finding/|product/redis/f[0-9]' \
		-tests "./checker ./checker/contract ./harness/product/redis ./harness/experiment ./harness/campaign ./harness/explore" -count $(MUTANTS) -log bin/mutants-verdicts-$$(git rev-parse HEAD)

mutants-engine: ## the same for the engine's files (RDB, append-only file, persistence) and types
	@scripts/setup --tests
	@mkdir -p bin
	$(GO) run ./internal/mutants -short -packages "./engine ./engine/keyspace ./engine/rdb ./engine/aof ./engine/persist" \
		-files '/(keyspace|rdb|aof|persist)/|engine/(string|list|popping|hash|set|sorted|streams|stream[a-z]+ing|streamgroups|streaminfo|bit|geo|h(yper|ll)|longdouble|lcs|sorting)[a-z]*\.go' \
		-tests "./engine/rdb ./engine/aof ./engine/keyspace ./engine/persist ./engine ./engine/listen" -count $(MUTANTS) -log bin/mutants-engine-$$(git rev-parse HEAD)

explore: ## every crash state: the engine in each mode on each disk; planted bugs, beside sampled power cuts; redis-server
	@scripts/setup
	@$(MAKE) --no-print-directory build
	TORNTAIL_MATRIX=full $(GO) test -count=1 -timeout 1h -v -run 'TestMatrix' ./harness/explore
	bin/torntail selftest --explore
	bin/torntail explore --target redis-server --bound prefix

# Go makes each input that reaches something new smaller first, in as many runs as the
# square of its length, for up to a minute: of files of a kilobyte nothing else is tried then.
# bin/fuzz-FUZZTIME-COMMIT remembers the targets that are done: what was interrupted is taken
# up again.
fuzz: ## checkers against slower judges on HISTORIES random histories each, then each fuzz target for FUZZTIME, in FUZZPARALLEL processes
	@mkdir -p bin
	@done=$(CURDIR)/bin/fuzz-$(FUZZTIME)-$$(git rev-parse HEAD); touch $$done; \
	grep -qx "histories $(HISTORIES)" $$done || { \
		TORNTAIL_HISTORIES=$(HISTORIES) $(GO) test -count=1 -timeout 60m -run 'Agree|PlantsAre' ./checker && echo "histories $(HISTORIES)" >>$$done || exit 1; \
	}; \
	grep -rn --include='*_test.go' '^func Fuzz' . | sed -E 's|^\./(.*)/[^/]*:[0-9]+:func (Fuzz[A-Za-z0-9_]*).*|\1 \2|' | sort -u | \
	while read -r package target; do \
		grep -qx "$$package $$target" $$done && continue; \
		echo "$$package $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1000x -parallel $(FUZZPARALLEL) "./$$package" || exit 1; \
		echo "$$package $$target" >>$$done; \
	done

redis-suite: ## Redis's own tests of types and keys against the engine: what passed before still passes
	scripts/redis-suite --check

fidelity: ## hold the disk model against real ext4, xfs and btrfs (root; some ten minutes)
	@scripts/setup
	@$(MAKE) --no-print-directory build
	bin/torntail fidelity
