# Everything is done by CMake and the scripts; these are the names to remember.
.PHONY: help install build run test fuzz bench bench-extensions bench-llm bench-picker bench-kube golden image deb lint format clean

help:
	@echo "make run     build, and serve examples/quickstart; EXAMPLE=extensions or EXAMPLE=llm for the others"
	@echo "make build   install what is missing, build build/sluice and build/libsluice_picker.so"
	@echo "make test    all tests; test/run.sh STAGE... for some (test/run.sh --list)"
	@echo "make fuzz    ten minutes of each fuzz target; TARGET=yaml MINUTES=60 for one of them, and longer"
	@echo "make bench   benchmarks"
	@echo "make bench-extensions   what an extension costs, by its form"
	@echo "make bench-llm   how decisions of the LLM picker turn out, beside others'"
	@echo "make bench-picker   what a decision of sluice picker costs"
	@echo "make bench-kube   at scale in a Kubernetes, beside Envoy Gateway"
	@echo "make conformance   the official conformance suites, in a Kubernetes of its own or that of KUBECONFIG"
	@echo "make golden  write the expected output of the golden tests and docs/reference anew: read the diff"
	@echo "make image   the container image, by docker or podman; IMAGE=NAME:TAG"
	@echo "make deb     Debian packages, in build/deb"
	@echo "make lint    clang-format, clang-tidy, include directions"
	@echo "make format  clang-format in place"
	@echo "make clean   remove build/"

install:
	@scripts/install.sh

build: install
	@scripts/build_envoy_api.sh
	@scripts/build.sh release sluice picker_module echo
	@ln -sfn release/sluice build/sluice
	@ln -sfn release/libsluice_picker.so build/libsluice_picker.so
	@ln -sfn release/examples/echo build/echo

run: build
	@examples/$(or $(EXAMPLE),quickstart)/run.sh

test:
	@test/run.sh

fuzz: install
	@scripts/build_envoy_api.sh
	@scripts/build.sh asan fuzz_targets
	@test/fuzz/run.py --minutes $(or $(MINUTES),10) $(TARGET)

bench: build
	@bench/run.sh

bench-extensions: build
	@scripts/install.sh --examples
	@bench/extensions/run.sh

bench-llm: install
	@scripts/build_envoy_api.sh
	@bench/llm/run.sh

bench-picker: build
	@bench/picker/run.sh

bench-kube: build
	@bench/kube/run.sh

conformance: build
	@/usr/bin/python3 test/kube/conformance.py $(FLAGS)

golden: build
	@test/golden/update.sh

image: build
	@deploy/image.sh $(or $(IMAGE),docker.io/sluice/sluice:dev)

deb: build
	@deploy/deb/build.sh

lint: install
	@scripts/lint.sh

format: install
	@scripts/lint.sh --fix

clean:
	rm -rf build
