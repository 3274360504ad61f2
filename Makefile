# Everything a developer does here. `make help` lists it.

GO ?= go
TOOL = $(GO) tool -modfile=tools/go.mod
# The tests that compare with a golden: events, messages, the OpenAPI file.
GOLDENS = $(GO) test ./internal/event ./internal/notify ./internal/httpapi/rest -run 'TestCatalog_Pins|TestTemplates_EveryOne|TestSpecification_IsTheGolden'
OPENAPI = internal/httpapi/rest/testdata/openapi.yaml
# The Go client that the tests of the whole service use.
CLIENT = $(TOOL) oapi-codegen -config internal/e2e/apiclient/oapi-codegen.yaml $(OPENAPI)
# Leaves out the gRPC modules of a storage client that Firebase's SDK brings along and nothing here calls: 19 MB of binary.
TAGS = disable_grpc_modules
# How long each fuzzer runs: a time, or so many executions as 1000x. Left to itself, one spends a minute on each find to make
# it smaller, which is most of its time.
FUZZTIME ?= 30s
WITH_POSTGRES = $(GO) run ./internal/postgres/postgrestest/withpostgres

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/carewire
	$(GO) build -tags $(TAGS) -o bin/carewire ./cmd/carewire

.PHONY: static
static: ## Build bin/static/carewire as the image does, and run it where there is nothing else
	CGO_ENABLED=0 $(GO) build -tags $(TAGS) -trimpath -ldflags "-s -w" -o bin/static/carewire ./cmd/carewire
	unshare --map-root-user --root=bin/static /carewire version

.PHONY: run
run: build ## Build, then serve a demo clinic on an embedded PostgreSQL (Ctrl-C stops all of it)
	@exec bin/carewire serve --demo

.PHONY: test
test: ## Run every test against a real PostgreSQL that this starts itself
	@$(WITH_POSTGRES) $(TOOL) gotestsum --format pkgname --hide-summary skipped -- ./...

.PHONY: fuzz
fuzz: ## Run every fuzzer for FUZZTIME (30s) each, one after another
	@$(WITH_POSTGRES) sh -c 'grep -roE --include="*_test.go" "^func Fuzz[A-Za-z]+" internal \
		| sed -E "s#/[^/]*:func # #" | sort | while read -r dir name; do \
			echo "$$dir: $$name"; $(GO) test ./$$dir -run "^$$" -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x </dev/null || exit 1; done'

.PHONY: bench
bench: build ## Measure the hot paths beside their floors; writes bench/latest.json
	@$(GO) run ./internal/bench $(BENCH)

.PHONY: lint
lint: ## Run the linters
	$(TOOL) golangci-lint run ./...
	$(TOOL) golangci-lint fmt --diff

.PHONY: lint-openapi
lint-openapi: ## Lint the OpenAPI document with Redocly (needs Node 20.19 or newer, and npm)
	cd tools/openapi && npm ci --silent --no-audit --no-fund
	cd tools/openapi && npx --no-install redocly lint --config redocly.yaml ../../$(OPENAPI)

.PHONY: verify
verify: ## Fail when anything generated is stale: queries, OpenAPI, its client, goldens, go.mod
	$(TOOL) sqlc diff
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff
	$(GO) vet ./...
	$(GOLDENS)
	$(CLIENT) | diff -u internal/e2e/apiclient/client.gen.go -
	@mkdir -p bin/_whole
	$(TOOL) oapi-codegen -generate types,client -package whole $(OPENAPI) >bin/_whole/client.go
	$(GO) vet bin/_whole/client.go

.PHONY: goldens
goldens: ## Write the goldens: events, messages, the OpenAPI file
	@$(WITH_POSTGRES) $(GOLDENS) -update

.PHONY: generate
generate: ## Write everything that is generated: queries, OpenAPI, its client, goldens
	$(TOOL) sqlc generate
	@$(MAKE) goldens
	$(CLIENT) >internal/e2e/apiclient/client.gen.go
	$(TOOL) golangci-lint fmt
