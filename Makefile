# Everything a developer does here. `make help` lists it.

GO ?= go
TOOL = $(GO) tool -modfile=tools/go.mod
# The tests that compare with a golden: events, messages, the OpenAPI file.
GOLDENS = $(GO) test ./internal/event ./internal/notify/template ./internal/httpapi/rest -run 'TestCatalog_Pins|TestTemplates_EveryOne|TestSpecification_IsTheGolden'
OPENAPI = internal/httpapi/rest/testdata/openapi.yaml
# The Go client that the tests of the whole service use.
CLIENT = $(TOOL) oapi-codegen -config internal/e2e/apiclient/oapi-codegen.yaml $(OPENAPI)
# Leaves out the gRPC modules of a storage client that Firebase's SDK brings along and nothing here calls: 19 MB of binary.
TAGS = disable_grpc_modules
# The version in the binary, /livez, the OpenAPI document and carewire_build_info: a tag such as v0.4.0, or the tag before with
# the number of commits since, or a commit. It is empty outside of a clone.
VERSION ?= $(shell git describe --always --dirty --tags --match "v[0-9]*" 2>/dev/null)
STAMP = -X carewire/internal/app.stamp=$(VERSION)
# How long each fuzzer runs: a time, or so many executions as 1000x. Left to itself, one spends a minute on each find to make
# it smaller, which is most of its time.
FUZZTIME ?= 30s
# The tests of one package at once, of as many packages as there are processors. Some tests wait, so a small machine runs
# more than it has processors. The cluster accepts 500 connections.
TESTFLAGS ?= -parallel 3 -timeout 20m
# The packages that test-short leaves out.
NOT_SHORT = cmd/carewire|internal/(e2e|modeltest|recipetest|archtest|bench)|httpapi/rest|postgres/embedded|postgrestest(/withpostgres)?
# The tests that test-short leaves out of other packages, a third of their time: slow ones, and those of concurrent calls. A name
# that no longer exists only skips nothing.
NOT_SHORT_TESTS = ^(TestPlans_|TestHold_|TestKeep_|TestWorker_UsesUpNoAttempt|TestWorker_HoldsDeliveries|TestPlanner_WritesOneLarge|TestMigrate_|TestLoginExcess_|TestAccess_IsOnEveryRoute|TestKeys_EveryPost|TestKinds_|TestSlowBody_|TestResume_|TestTranscript_|TestWorker_KeepsAnOutcome|TestSweep_LooksThrough|TestList_ReadsAnIndex|TestQueries_UseIndexes|TestListUsers_UsesIndexes|TestListEvents_ReadsIndexes|TestAppointments_BehaveLikeAModel|TestPartitions_|TestSession_Closes|TestRead_StopsAtDecompression)|Concurren|UnderManyPublishers
# The packages of make race.
RACE ?= ./...
GOTESTSUM = $(TOOL) gotestsum --format pkgname --hide-summary skipped --
WITH_POSTGRES = $(GO) run ./internal/postgres/postgrestest/withpostgres

# Prints a notice if most packages are not in Go's build cache: the build then takes minutes and prints nothing.
FIRST_BUILD = { n=$$($(GO) build -n -tags $(TAGS) -o bin/carewire ./cmd/carewire 2>&1 | grep -c '/compile"* -o'); \
	if [ "$$n" -gt 100 ]; then echo "First build: compiling $$n packages, which takes 1 to 10 minutes and prints nothing. Later builds take seconds." >&2; fi; }

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/carewire
	@[ -e bin/carewire ] || $(FIRST_BUILD)
	$(GO) build -tags $(TAGS) -ldflags "$(STAMP)" -o bin/carewire ./cmd/carewire

.PHONY: static
static: ## Build bin/static/carewire like the image, and run it in an empty root directory
	CGO_ENABLED=0 $(GO) build -tags $(TAGS) -trimpath -ldflags "-s -w $(STAMP)" -o bin/static/carewire ./cmd/carewire
	unshare --map-root-user --root=bin/static /carewire version

.PHONY: run
run: build ## Build and serve a demo clinic on an embedded PostgreSQL (Ctrl-C stops both)
	@exec bin/carewire serve --demo

.PHONY: test
test: ## Run all tests against a real PostgreSQL started by this target
	@$(WITH_POSTGRES) $(GOTESTSUM) $(TESTFLAGS) ./...

# Three packages at once, because the tests of some wait: a provider that does not answer takes 2 s.
.PHONY: test-short
test-short: ## Run the fast tests: without whole-service, REST, model, recipe, embedded server, migration and large table tests
	@CAREWIRE_TEST_CLUSTER=short-$$(printf %s "$(CURDIR)" | cksum | cut -d' ' -f1) \
		$(WITH_POSTGRES) $(GOTESTSUM) -p 3 $(TESTFLAGS) -vet=off -ldflags "-s -w" -skip '$(NOT_SHORT_TESTS)' $$($(GO) list ./... | grep -vE '/($(NOT_SHORT))$$')

.PHONY: race
race: ## Run all tests under the race detector and print the duration (needs cgo; takes about twice as long as test)
	@begin=$$(date +%s); status=0; \
	CGO_ENABLED=1 $(WITH_POSTGRES) $(GOTESTSUM) $(TESTFLAGS) -race -timeout 40m $(RACE) || status=$$?; \
	echo "race: $$(( $$(date +%s) - begin )) s"; exit $$status

# Other sizes and seeds: make simulate SIMULATE="-simulate.people 50 -simulate.days 10 -simulate.seed 7"
SIMULATE ?= -simulate.people 300 -simulate.days 30
.PHONY: simulate
simulate: ## Let 300 people live for a month by a moved clock, and check what each was told (takes about half an hour)
	@$(WITH_POSTGRES) $(GO) test ./internal/e2e -run '^TestSimulation_' -v -timeout 3h $(SIMULATE)

.PHONY: vuln
vuln: ## Check the called code for known vulnerabilities (needs the network)
	@mkdir -p bin; status=0; $(TOOL) govulncheck -tags $(TAGS) ./... 2>bin/vuln.log || status=$$?; cat bin/vuln.log >&2; \
	if grep -qE 'fetching vulnerabilities|dial tcp|no such host|i/o timeout|Forbidden|proxyconnect' bin/vuln.log; then \
		echo "vuln: cannot reach the vulnerability database at https://vuln.go.dev: nothing was checked" >&2; fi; \
	exit $$status

.PHONY: fuzz
fuzz: ## Run each fuzzer for FUZZTIME (30s), one after another
	@$(WITH_POSTGRES) sh -c 'grep -roE --include="*_test.go" "^func Fuzz[A-Za-z]+" internal \
		| sed -E "s#/[^/]*:func # #" | sort | while read -r dir name; do \
			echo "$$dir: $$name"; $(GO) test ./$$dir -run "^$$" -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x </dev/null || exit 1; done'

.PHONY: bench
bench: build ## Benchmark the hot paths and write bench/latest.json
	@$(GO) run ./internal/bench $(BENCH)

.PHONY: bench-sockets
bench-sockets: build ## Benchmark 1,000 and 10,000 sockets and write bench/sockets.json (takes about five minutes and 20,000 file descriptors)
	@$(GO) run ./internal/bench --only sockets,sockets-10k --out bench/sockets.json $(BENCH)

# Other sizes: make bench-growth BENCH="--events 2500000"
.PHONY: bench-growth
bench-growth: build ## Compare lists, writes and dispatch in a grown database with a small one, and write bench/growth.json
	@$(GO) run ./internal/bench --only growth --out bench/growth.json $(BENCH)

.PHONY: lint
lint: ## Run the linters
	$(TOOL) golangci-lint run ./...
	$(TOOL) golangci-lint fmt --diff

.PHONY: lint-openapi
lint-openapi: ## Lint the OpenAPI document with Redocly (needs Node 20.19 or newer, and npm)
	cd tools/openapi && npm ci --silent --no-audit --no-fund
	cd tools/openapi && npx --no-install redocly lint --config redocly.yaml ../../$(OPENAPI)

.PHONY: pages-check
pages-check: build ## Check every page of a demo in headless Chromium, as each role (needs Node 20.19 or newer, npm and Chromium)
	cd tools/pages && npm ci --silent --no-audit --no-fund
	node tools/pages/check.js bin/carewire $(PAGES_CHECK)

.PHONY: verify
verify: ## Fail if anything generated is stale: queries, OpenAPI, its client, goldens, go.mod
	$(TOOL) sqlc diff
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff
	cd internal/e2e/oidcprovider && $(GO) mod tidy -diff
	$(GO) vet ./...
	$(GOLDENS)
	$(CLIENT) | diff -u internal/e2e/apiclient/client.gen.go -
	@mkdir -p bin/_whole
	$(TOOL) oapi-codegen -generate types,client -package whole $(OPENAPI) >bin/_whole/client.go
	$(GO) vet bin/_whole/client.go

.PHONY: goldens
goldens: ## Rewrite the goldens: events, messages, the OpenAPI file
	@$(WITH_POSTGRES) $(GOLDENS) -update

.PHONY: generate
generate: ## Rewrite all generated files: queries, OpenAPI, its client, goldens
	$(TOOL) sqlc generate
	@$(MAKE) goldens
	$(CLIENT) >internal/e2e/apiclient/client.gen.go
	$(TOOL) golangci-lint fmt
