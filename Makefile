# Everything that is done to this project has its target here; each installs what it needs. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

RUN   := $(CURDIR)/.run
TOOL  := go tool -modfile=$(CURDIR)/hack/tools/go.mod
# modules of their own, so that what they need never enters the main one
MODULES := hack/cluster hack/images
# what `make generate` writes
GENERATED := ':(glob)**/zz_generated.*' config/crd config/rbac config/kustomize config/argocd/argocd-cm.yaml charts/berth/schemas charts/berth/templates
BINARIES := $(notdir $(wildcard cmd/*))

# test flags: TEST=./controllers/... narrows, ARGS='-run X -v' adds
TEST ?= ./...
ARGS ?=
FUZZTIME ?= 30s

##@ Try it

.PHONY: up
up: ## A local cluster with Berth and a running workspace; CLUSTER=current IMAGES=<repository> uses the cluster of KUBECONFIG
	@hack/up.sh

.PHONY: down
down: ## Take everything of `make up` away again, but for the cache of what was compiled
	@hack/down.sh

##@ Develop

.PHONY: build
build: ## Compile the binaries into bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -o bin/ $(addprefix ./cmd/,$(BINARIES))
	@ln -sf kubectl-berth bin/kubectl_complete-berth

.PHONY: generate
generate: ## Write what is generated: deepcopy, CRDs, RBAC, schemas, the chart's copies
	$(TOOL) controller-gen object:headerFile=hack/boilerplate.go.txt crd:allowDangerousTypes=false paths=./api/v1alpha1/... output:crd:dir=config/crd
	$(TOOL) controller-gen rbac:roleName=berth-manager,fileName=manager.yaml paths=./controllers/... output:rbac:dir=config/rbac
	$(TOOL) controller-gen rbac:roleName=berth-apiserver,fileName=apiserver.yaml paths=./apiserver/... output:rbac:dir=config/rbac
	go run ./hack/generate

.PHONY: verify
verify: generate ## Fail when a generated file is not what its source gives, or go.mod is untidy
	go mod tidy -diff
	@changed=$$(git status --porcelain -- $(GENERATED)); \
	  test -z "$$changed" || { printf 'generated files differ; run make generate and commit:\n%s\n' "$$changed" >&2; git --no-pager diff -- $(GENERATED) | head -n 60 >&2; exit 1; }

.PHONY: lint
lint: ## go vet, gofmt and staticcheck over every module
	@bad=$$(git ls-files '*.go' | xargs gofmt -l); test -z "$$bad" || { printf 'not gofmt-ed:\n%s\n' "$$bad" >&2; exit 1; }
	go vet ./...
	$(TOOL) staticcheck ./...
	@for m in $(MODULES); do echo "go vet and staticcheck in $$m"; go vet -C $$m ./...; (cd $$m && $(TOOL) staticcheck ./...); done

.PHONY: routes
routes: ## List every route: method, path, tag, door, action, file:line
	@go run ./hack/routes

.PHONY: images
images: ## Build the Berth image and a workspace image without a daemon
	go run -C hack/images . build --out $(RUN)/images

##@ Test

.PHONY: assets
assets: ## Compile etcd, kube-apiserver, kubectl and helm for the tests, when they are absent
	@go run -C hack/cluster . assets >/dev/null

# four packages at once: those with a control plane mostly wait for it; the binaries first, since no test should spend its
# time on compiling what it starts
.PHONY: test
test: assets build ## Unit tests, and tests against a real kube-apiserver and etcd, with the race detector
	KUBEBUILDER_ASSETS=$$(go run -C hack/cluster . assets) go test -race -p 4 -timeout 30m $(TEST) $(ARGS)
	@if [ '$(TEST)' = ./... ]; then for m in $(MODULES); do echo "tests in $$m"; go test -C $$m -race ./... $(ARGS); done; fi

.PHONY: contract
contract: assets ## How many endpoints of the contract answer from real state, a line a tag
	@mkdir -p $(RUN) && rm -f $(RUN)/contract.jsonl && touch $(RUN)/contract.jsonl
	KUBEBUILDER_ASSETS=$$(go run -C hack/cluster . assets) BERTH_CONTRACT_LOG=$(RUN)/contract.jsonl go test -count=1 ./apiserver/... >$(RUN)/contract.log 2>&1 || { cat $(RUN)/contract.log; exit 1; }
	@go run ./hack/contract coverage $(RUN)/contract.jsonl

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME, two at a time; FUZZ='FuzzCron internal/archive/FuzzRead' narrows
	@FUZZ='$(FUZZ)' FUZZTIME='$(FUZZTIME)' hack/fuzz.sh

# alone on the machine: whatever else runs slows what is measured
.PHONY: bench
bench: assets ## Measure the manager, a line a figure (about 15 minutes); ARGS='-only quiet-writes' narrows
	@mkdir -p bin && go build -o bin/bench ./hack/bench
	KUBEBUILDER_ASSETS=$$(go run -C hack/cluster . assets) bin/bench $(ARGS)

.PHONY: e2e
e2e: ## Tests on the one-node cluster, through the chart, with real pods
	@hack/e2e.sh

.PHONY: fresh
fresh: ## Prove `make test` and the build half of `make up` in a clean Debian root with empty caches (about an hour)
	@hack/fresh.sh

##@ Help

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*##/ {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
