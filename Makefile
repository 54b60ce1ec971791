# SPDX-License-Identifier: MIT
# Sources are found by folder: a new file needs no line here. `make help` lists the targets.
#
#   V=1          show the commands          WERROR=1     warnings are errors
#   BUILD=dir    output folder              SAN=address|thread|coverage|fuzz   instrumented build (own BUILD)
#   URING=       without the io_uring driver, as where liburing is missing
#   OFFLINE=1    without libbpf, clang, bpftool (what `make offline` does)
#   EXTRA_CFLAGS, EXTRA_LDFLAGS             added last

MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

VERSION ?= 0.1.0
BUILD   ?= build
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=

ifeq ($(origin CC),default)
CC := gcc
endif

# ---------------------------------------------------------------- tools and flags

SILENT := $(findstring s,$(filter-out --%,$(firstword $(MAKEFLAGS))))
Q      := $(if $(V),,@)
say     = $(if $(V)$(SILENT),@:,@printf '  %-7s %s\n' $(1) $(2))

MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
MACHINE   := $(shell uname -m)
BPF_ARCH  := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(MACHINE)))

SANFLAGS_address  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANFLAGS_thread   := -fsanitize=thread -fno-omit-frame-pointer
SANFLAGS_coverage := --coverage -fprofile-update=atomic
SANFLAGS_fuzz     := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
SANFLAGS          := $(SANFLAGS_$(SAN))

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wvla -Wformat=2
CFLAGS   ?= -O2 -g
CPPFLAGS := -D_GNU_SOURCE -I. $(if $(OFFLINE),-DWEFT_OFFLINE)
STRICT   := $(if $(filter 1,$(WERROR)),-Werror)
ALL_CFLAGS  = -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) $(CPPFLAGS)
ALL_LDFLAGS = $(SANFLAGS) -Wl,--as-needed $(LDFLAGS) $(EXTRA_LDFLAGS)

# liburing 2.3 or later: the runtime's second driver. Without it the rest is built.
ifeq ($(origin URING),undefined)
URING := $(shell $(CC) -E -include liburing.h -x c /dev/null 2>/dev/null | grep -qw io_uring_enter2 && echo 1)
endif

# Extra flags and libraries by top-level folder. --as-needed drops what nothing refers to.
FLAGS_runtime   = $(if $(URING),-DWEFT_URING)
FLAGS_probes    = -I$(BUILD)/bpf
FLAGS_collector = -I$(BUILD)/gen
FLAGS_tui       = -I$(BUILD)/gen -DNCURSES_WIDECHAR=1
FLAGS_tests     = $(FLAGS_runtime) $(FLAGS_probes) $(FLAGS_collector) $(FLAGS_tui)
LIBS_runtime    = $(if $(URING),-luring) -pthread
LIBS_probes     = $(if $(OFFLINE),,-lbpf -lcap-ng) -ldw -lelf -liberty -lcapstone -lz
LIBS_collector  = -lsqlite3 -ljansson
LIBS_tui        = -lncursesw -ltinfo -lz
LIBS_tests      = -lcmocka
LIBS_all        = $(LIBS_tui) $(LIBS_collector) $(LIBS_probes) $(LIBS_runtime) -lm -ldl

folder    = $(firstword $(subst /, ,$(1)))
src_flags = $(ALL_CFLAGS) $(FLAGS_$(call folder,$(1)))

CLANG ?= $(shell for c in clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14; do \
		command -v $$c && break; done 2>/dev/null)
BPFTOOL ?= $(shell PATH="$$PATH:/usr/sbin:/usr/local/sbin"; command -v bpftool 2>/dev/null || \
		ls -1 /usr/lib/linux-tools*/bpftool /usr/lib/linux-tools*/*/bpftool 2>/dev/null | tail -n 1)
LLVM_STRIP ?= $(shell for c in llvm-strip llvm-strip-19 llvm-strip-18 llvm-strip-17 llvm-strip-16 \
		llvm-strip-15 llvm-strip-14; do command -v $$c && break; done 2>/dev/null)
# -ffreestanding: <stdint.h> must come from clang, glibc has none for this target.
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g -ffreestanding -D__TARGET_ARCH_$(BPF_ARCH) -I. \
		-I/usr/include/$(MULTIARCH) -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers
need = @test -n "$($(1))" || { echo "$@: $(2) not found; run scripts/install_deps.sh or set $(1)=" >&2; exit 1; }

# ---------------------------------------------------------------- sources

find_c  = $(sort $(shell find $(1) -name '*.c' $(2) 2>/dev/null))
obj     = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
pic     = $(patsubst %.c,$(BUILD)/pic/%.o,$(1))

runtime_src   := $(call find_c,runtime,-not -path 'runtime/examples/*' $(if $(URING),,-not -name 'uring*'))
example_all   := $(sort $(wildcard runtime/examples/*.c))
# An example may name a header of a library: /* needs: openssl/ssl.h */. Without it the rest is built.
example_out   := $(shell grep -H '^/\* needs: ' $(example_all) /dev/null | \
	while IFS=': ' read -r file _ _ header _; do \
		$(CC) -E -include "$$header" -x c -o /dev/null /dev/null 2>/dev/null || echo $$file; done)
example_src   := $(filter-out $(example_out),$(example_all))
$(if $(example_out),$(info left out, a library is missing (scripts/install_deps.sh): $(example_out)))
bpf_src       := $(if $(OFFLINE),,$(sort $(wildcard probes/bpf/*.bpf.c)))
offline_src   := $(call find_c,probes/base probes/symbols probes/offline)
online_src    := $(call find_c,probes,-not -path 'probes/bpf/*' -not -path 'probes/offline/*')
probes_src    := $(if $(OFFLINE),$(offline_src),$(online_src))
collector_src := $(call find_c,collector,-not -path collector/store/extension.c)
extension_src := $(if $(OFFLINE),,$(wildcard collector/store/extension.c))
tui_src       := $(call find_c,tui,-not -path tui/main.c)
main_src      := $(wildcard tui/main.c)

unit_src      := $(call find_c,tests/unit,-name 'test_*')
replay_src    := $(call find_c,tests/replay,-name 'test_*')
support_src   := $(call find_c,tests/support)
stress_src    := $(sort $(wildcard tests/stress/*.c))
workload_src  := $(sort $(wildcard tests/workloads/*.c))
wsupport_src  := $(call find_c,tests/workloads/support)
replay_tests  := $(sort $(wildcard tests/replay/test_*.sh))
example_tests := $(sort $(wildcard tests/examples/test_*.sh))
helper_src    := $(sort $(wildcard tests/e2e/helpers/*.c))
bench_src     := $(sort $(wildcard tests/bench/*.c))
bsupport_src  := $(call find_c,tests/bench/support)
runtimes_src  := $(sort $(wildcard tests/bench/runtimes/*.c))
micro_src     := $(sort $(wildcard tests/bench/runtimes/micro/*.c))
fuzz_src      := $(sort $(wildcard tests/fuzz/*.c))

test_src := $(unit_src) $(replay_src) $(support_src) $(stress_src) $(workload_src) $(wsupport_src) \
	    $(helper_src) $(bench_src) $(bsupport_src) $(runtimes_src) $(micro_src) $(fuzz_src)
all_src  := $(runtime_src) $(example_src) $(probes_src) $(collector_src) $(extension_src) $(tui_src) \
	    $(main_src) $(test_src)

queries := $(sort $(wildcard collector/queries/*.sql))
schema  := $(wildcard collector/store/schema.sql)
assets  := $(sort $(wildcard collector/export/assets/*))
knowledge := $(filter-out %/README.md,$(sort $(wildcard tui/knowledge/*.md)))

# ---------------------------------------------------------------- products (empty when there is no source)

lib_runtime   := $(if $(runtime_src),$(BUILD)/libweft.a)
lib_probes    := $(if $(probes_src),$(BUILD)/lib/libprobes.a)
lib_collector := $(if $(collector_src),$(BUILD)/lib/libcollector.a)
lib_tui       := $(if $(tui_src),$(BUILD)/lib/libtui.a)
# An archive: a test takes of it what it uses, and so carries libweft (and its probe points) only if it uses that.
lib_support   := $(BUILD)/lib/libsupport.a
libs          := $(lib_tui) $(lib_collector) $(lib_probes)

shared    := $(if $(runtime_src),$(BUILD)/libweft.so.0 $(BUILD)/libweft.so $(BUILD)/weft.pc)
man3      := $(if $(runtime_src),$(BUILD)/man/man3/.made)
skeletons := $(bpf_src:probes/bpf/%.bpf.c=$(BUILD)/bpf/%.skel.h)
generated := $(if $(schema),$(BUILD)/gen/schema_sql.h) $(if $(queries),$(BUILD)/gen/queries_sql.h) \
	     $(if $(assets),$(BUILD)/gen/export_assets.h) $(if $(knowledge),$(BUILD)/gen/knowledge_md.h)
program   := $(if $(main_src),$(BUILD)/weft)
extension := $(if $(extension_src),$(BUILD)/weft_events.so)
examples  := $(if $(runtime_src),$(example_src:runtime/examples/%.c=$(BUILD)/examples/%))
workloads := $(if $(runtime_src),$(workload_src:tests/workloads/%.c=$(BUILD)/workloads/%))

unit_bin   := $(unit_src:%.c=$(BUILD)/%)
replay_bin := $(replay_src:%.c=$(BUILD)/%)
stress_bin := $(stress_src:%.c=$(BUILD)/%)
helper_bin := $(helper_src:tests/e2e/helpers/%.c=$(BUILD)/tests/e2e/%)
bench_bin  := $(bench_src:tests/bench/%.c=$(BUILD)/bench/%)
example_clients := $(filter %/half_close %/name_server,$(helper_bin))
load       := $(filter $(BUILD)/bench/load,$(bench_bin))
rival_bin  := $(addprefix $(BUILD)/bench/runtimes/,$(if $(runtimes_src),bare service micro))
fuzz_bin   := $(fuzz_src:tests/fuzz/%.c=$(BUILD)/fuzz/%)
plain_bin  := $(unit_bin) $(replay_bin) $(fuzz_bin)
tests_bin  := $(plain_bin) $(stress_bin) $(helper_bin)

.PHONY: all tests help
all: $(lib_runtime) $(shared) $(man3) $(libs) $(program) $(extension) $(examples) $(workloads) $(load) ## build everything but the tests

tests: $(tests_bin) $(workloads) $(bench_bin) $(rival_bin) ## build the tests and benchmarks

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18

# ---------------------------------------------------------------- compile

# Rebuilds when the flags differ from the last run; WERROR is left out, it changes no object.
flags_line = $(CC) $(ALL_CFLAGS) $(FLAGS_runtime) $(ALL_LDFLAGS) $(EXTRA_CFLAGS)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D); printf '%s\n' '$(flags_line)' | cmp -s - $@ || printf '%s\n' '$(flags_line)' > $@
FORCE:
.PHONY: FORCE

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(call src_flags,$<) $(STRICT) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

# runtime: the shared library. collector, probes: the SQLite extension, where SQLite's calls go
# through the table that the loading program hands over (WEFT_SQLITE_EXTENSION picks sqlite3ext.h).
exports_marked := $(shell grep -rlsE 'visibility\("default"\)' runtime --include='*.h')
pic_flags_runtime   := -fPIC $(if $(exports_marked),-fvisibility=hidden)
pic_flags_collector := -fPIC -DWEFT_SQLITE_EXTENSION=1
pic_flags_probes    := -fPIC
$(BUILD)/pic/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,"$< (pic)")
	$(Q)$(CC) $(call src_flags,$<) $(pic_flags_$(call folder,$<)) $(STRICT) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

# Generated headers must exist before the first compile; afterwards the .d files know who uses them.
$(call obj,$(probes_src)): | $(skeletons)
$(call obj,$(test_src)): | $(skeletons) $(generated)
$(call obj,$(tui_src) $(collector_src)) $(call pic,$(collector_src) $(extension_src)): | $(generated)

$(BUILD)/bpf/%.bpf.o: probes/bpf/%.bpf.c
	$(call need,CLANG,clang)
	@mkdir -p $(@D)
	$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) $(STRICT) -MMD -MP -c -o $@ $<
	$(if $(LLVM_STRIP),$(Q)$(LLVM_STRIP) -g $@)

$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(call need,BPFTOOL,bpftool)
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@

# ---------------------------------------------------------------- embedded text

$(BUILD)/gen/schema_sql.h: $(schema) scripts/embed.sh
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)scripts/embed.sh $(schema) schema_sql > $@

$(BUILD)/gen/queries_sql.h: $(queries) scripts/embed.sh $(BUILD)/lists/queries
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)scripts/embed.sh --table embedded_query embedded_queries $(queries) > $@

$(BUILD)/gen/export_assets.h: $(assets) scripts/embed.sh $(BUILD)/lists/assets
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)scripts/embed.sh --table --full-names embedded_asset embedded_assets $(assets) > $@

$(BUILD)/gen/knowledge_md.h: $(knowledge) scripts/embed.sh $(BUILD)/lists/knowledge
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)scripts/embed.sh --table embedded_topic embedded_topics $(knowledge) > $@

# ---------------------------------------------------------------- link

list_runtime   = $(call obj,$(runtime_src))
list_shared    = $(call pic,$(runtime_src))
list_probes    = $(call obj,$(probes_src))
list_collector = $(call obj,$(collector_src))
list_tui       = $(call obj,$(tui_src))
list_support   = $(call obj,$(support_src))
list_extension = $(call pic,$(collector_src) $(offline_src))
list_queries   = $(queries)
list_assets    = $(assets)
list_knowledge = $(knowledge)

# A file taken away must leave its library too: the list of members is a prerequisite.
$(BUILD)/lists/%: FORCE
	@mkdir -p $(@D); printf '%s\n' $(list_$*) | cmp -s - $@ || printf '%s\n' $(list_$*) > $@

define archive
$(2): $$(list_$(1)) $$(BUILD)/lists/$(1)
	@mkdir -p $$(@D)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$(list_$(1))
endef
$(eval $(call archive,runtime,$(BUILD)/libweft.a))
$(eval $(call archive,probes,$(BUILD)/lib/libprobes.a))
$(eval $(call archive,collector,$(BUILD)/lib/libcollector.a))
$(eval $(call archive,tui,$(BUILD)/lib/libtui.a))
$(eval $(call archive,support,$(BUILD)/lib/libsupport.a))
$(eval $(call archive,extension,$(BUILD)/lib/libextension.a))

map := $(wildcard runtime/libweft.map)
$(BUILD)/libweft.so.0: $(list_shared) $(map) $(BUILD)/lists/shared
	$(call say,LD,$@)
	$(Q)$(CC) -shared -Wl,-soname,libweft.so.0 $(if $(SAN),,-Wl$(comma)-z$(comma)defs) \
		$(if $(map),-Wl$(comma)--version-script=$(map)) $(ALL_LDFLAGS) -o $@ $(list_shared) $(LIBS_runtime)
comma := ,

$(BUILD)/libweft.so: $(BUILD)/libweft.so.0
	$(Q)ln -sf libweft.so.0 $@

# Made anew each time: `make install` may be given another PREFIX than `make` was.
$(BUILD)/weft.pc: FORCE
	@mkdir -p $(@D)
	$(Q)printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$${prefix}/include' '' \
		'Name: weft' 'Description: Async runtime for C with probe points' 'Version: $(VERSION)' \
		'Cflags: -I$${includedir}/weft' 'Libs: -L$${libdir} -lweft' 'Libs.private: $(LIBS_runtime)' > $@

# Manual pages of the public API, out of the comments in its headers.
api_headers := runtime/async.h $(sort $(wildcard runtime/api/*.h))
$(BUILD)/man/man3/.made: $(api_headers) scripts/man3.sh
	$(call say,MAN,$(@D))
	$(Q)scripts/man3.sh $(VERSION) $(@D) $(api_headers) && touch $@

# A test or example may ask the linker for more on a line of its own: /* ldflags: -Wl,--wrap=write */
own_ldflags = $(shell sed -n 's|^/\* ldflags: \(.*\) \*/$$|\1|p' $(1) 2>/dev/null)
define link
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(2) $(call own_ldflags,$(1))
endef

$(BUILD)/weft: $(call obj,$(main_src)) $(libs)
	$(call link,,$(LIBS_all))

$(BUILD)/weft_events.so: $(call pic,$(extension_src)) $(BUILD)/lib/libextension.a
	$(call say,LD,$@)
	$(Q)printf '{ global: sqlite3_*init; local: *; };\n' > $(BUILD)/lib/extension.map
	$(Q)$(CC) -shared -Wl,--version-script=$(BUILD)/lib/extension.map $(ALL_LDFLAGS) -o $@ \
		$(filter %.o,$^) $(filter %.a,$^) $(LIBS_collector) $(filter-out -lbpf -lcap-ng,$(LIBS_probes)) -pthread -lm

$(BUILD)/examples/%: $(BUILD)/obj/runtime/examples/%.o $(lib_runtime)
	$(call link,runtime/examples/$*.c,$(LIBS_runtime))

$(BUILD)/workloads/%: $(BUILD)/obj/tests/workloads/%.o $(call obj,$(wsupport_src)) $(lib_runtime)
	$(call link,,$(LIBS_runtime) -lm)

$(BUILD)/tests/unit/%: $(BUILD)/obj/tests/unit/%.o $(lib_support) $(libs) $(lib_runtime)
	$(call link,tests/unit/$*.c,$(LIBS_tests) $(LIBS_all))

$(BUILD)/tests/replay/%: $(BUILD)/obj/tests/replay/%.o $(lib_support) $(libs) $(lib_runtime)
	$(call link,tests/replay/$*.c,$(LIBS_tests) $(LIBS_all))

$(BUILD)/tests/stress/%: $(BUILD)/obj/tests/stress/%.o $(lib_runtime)
	$(call link,tests/stress/$*.c,$(LIBS_runtime) -lm)

$(BUILD)/tests/e2e/%: $(BUILD)/obj/tests/e2e/helpers/%.o $(lib_probes) $(lib_runtime)
	$(call link,,$(LIBS_probes) $(LIBS_runtime) -lm)

# With SAN=fuzz the fuzzer brings main(); otherwise the program replays its seeds.
fuzz_main := $(if $(filter fuzz,$(SAN)),,$(BUILD)/obj/scripts/fuzz_replay.o)
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(fuzz_main) $(libs) $(lib_runtime)
	$(call link,tests/fuzz/$*.c,$(LIBS_all) $(if $(fuzz_main),,-fsanitize=fuzzer))

# The demo and the end-to-end tests want load too: part of `all`, needs no library of ours.
$(load): $(call obj,$(patsubst %,tests/bench/%.c,load support/client support/histogram support/process support/split))
	$(call link,,-lm)

# What `make bench-runtimes` runs beside the Rust peers: linked as a user's service is.
rival_objects := $(call obj,tests/bench/runtimes/http.c)
$(BUILD)/bench/runtimes/micro: $(call obj,$(micro_src) tests/bench/support/process.c tests/bench/support/row.c) \
		$(lib_runtime)
	$(call link,,$(LIBS_runtime))

$(BUILD)/bench/runtimes/%: $(BUILD)/obj/tests/bench/runtimes/%.o $(rival_objects) $(lib_runtime)
	$(call link,,$(LIBS_runtime))

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(call obj,$(bsupport_src)) $(libs) $(lib_runtime)
	$(call link,tests/bench/$*.c,$(LIBS_all))

# ---------------------------------------------------------------- tests

.PHONY: check check-rust-full gallery stress-healthy check-unit check-replay check-bpf check-asan check-tsan check-valgrind stress soak bench bench-runtimes bench-rust fuzz coverage lint format
run_tests = BUILD=$(BUILD) WEFT=$(BUILD)/weft SAN=$(SAN) scripts/run_tests.sh

check: $(plain_bin) $(shared) $(man3) $(program) $(extension) $(workloads) $(examples) $(load) $(example_clients) ## unit, replay and example tests, layer and header checks; needs no privilege
	@$(run_tests) $(plain_bin) $(replay_tests) $(example_tests) scripts/check_layers.sh scripts/check_headers.sh \
		scripts/check_no_probes.sh scripts/check_man3.sh

check-unit: $(unit_bin) $(workloads)
	@$(run_tests) $(unit_bin)

check-replay: $(replay_bin) $(program)
	@$(run_tests) $(replay_bin) $(replay_tests)

check-bpf: all $(helper_bin) ## end-to-end tests with eBPF; root
	@BUILD=$(BUILD) scripts/run_e2e.sh

check-asan: ## unit + replay tests under AddressSanitizer and UBSan
	@$(MAKE) BUILD=$(BUILD)/asan SAN=address check-instrumented

check-tsan: ## stress programs and unit tests of runtime and collector under ThreadSanitizer
	@$(MAKE) BUILD=$(BUILD)/tsan SAN=thread check-threads

.PHONY: check-instrumented check-threads
check-instrumented: $(plain_bin) $(program) $(workloads)
	@$(run_tests) $(plain_bin)

# Left out: one thread that plays all orders of several is slow there and shows it nothing.
thread_bin := $(stress_bin) $(filter-out $(addprefix %/test_interleave,_current _in_place _sleep _sync) %/test_interleave,$(filter $(BUILD)/tests/unit/runtime/% $(BUILD)/tests/unit/collector/%,$(unit_bin)))
check-threads: $(thread_bin) $(workloads)
	@WEFT_STRESS_SECONDS=$${WEFT_STRESS_SECONDS:-5} $(run_tests) $(thread_bin)

check-rust-full: all $(helper_bin) ## Rust services in all builds and versions against their own truth (root, an hour; ROWS="tokio-1.24 lto" for a part), and what `weft explain` says of heavy crates, compiled; needs cargo
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft tests/e2e/test_rust_matrix.sh full
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft CYCLES=100 tests/e2e/test_tokio.sh
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft CYCLES=100 tests/e2e/test_async_task.sh
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft CYCLES=100 tests/e2e/test_axum.sh
	@WEFT=$(BUILD)/weft KNOWLEDGE_DIR=$(abspath $(BUILD))/knowledge tests/knowledge/check.sh c rust fails full evidence

gallery: $(program) $(workloads) ## symptom x flavour from real runs, sick and healthy; root, half an hour; GALLERY="tokio" or "busy-loop spin" for a part
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft scripts/gallery.sh $(GALLERY)

stress-healthy: $(program) $(workloads) $(examples) $(load) $(BUILD)/tests/e2e/stop_threads ## healthy programs under stress, C and Tokio, a minute each: nothing may be found; root, cargo, 20 minutes; HEALTHY="http tokio" for a part
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft scripts/stress_healthy.sh $(HEALTHY)

check-valgrind: $(unit_bin) ## unit tests under valgrind
	@WEFT_TEST_WRAP='valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite' \
		WEFT_TEST_TIMEOUT=$${WEFT_TEST_TIMEOUT:-600} $(run_tests) $(unit_bin)

stress: $(stress_bin) ## stress programs, WEFT_STRESS_SECONDS each (20)
	@WEFT_STRESS_SECONDS=$${WEFT_STRESS_SECONDS:-20} $(run_tests) $(stress_bin)

soak: $(BUILD)/tests/stress/stress_soak ## all flavours at full load for WEFT_SOAK_SECONDS (600): no leak, no lost wake, no fd left
	@WEFT_STRESS_SECONDS=$${WEFT_SOAK_SECONDS:-600} $<

bench: $(bench_bin) $(program) $(examples) $(workloads) ## measure; prints a table, writes build/bench.json; BENCH="--quick probe service" for a part
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft scripts/bench.sh $(BENCH)

bench-runtimes: $(rival_bin) $(load) $(program) ## Weft's flavours beside Tokio, async-std, smol and a bare loop; needs cargo; BENCH=--quick
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft WEFT_BENCH_TIMEOUT=$${WEFT_BENCH_TIMEOUT:-3600} scripts/bench.sh $(BENCH) runtimes

bench-rust: $(load) $(BUILD)/bench/attach $(program) ## what tracing costs a Tokio service, beside tokio-console's subscriber; needs root and cargo; BENCH=--quick
	@BUILD=$(BUILD) WEFT=$(BUILD)/weft WEFT_BENCH_TIMEOUT=$${WEFT_BENCH_TIMEOUT:-1800} scripts/bench.sh $(BENCH) rust

fuzz: ## run the fuzz targets, WEFT_FUZZ_SECONDS each (30)
	$(call need,CLANG,clang)
	@$(MAKE) BUILD=$(BUILD)/fuzzing SAN=fuzz CC=$(CLANG) run-fuzz
.PHONY: run-fuzz run-coverage
run-fuzz: $(fuzz_bin)
	@scripts/fuzz.sh $(fuzz_bin)

coverage: ## lines executed by unit and replay tests
	@$(MAKE) BUILD=$(BUILD)/coverage SAN=coverage run-coverage
run-coverage: $(plain_bin) $(program) $(workloads)
	@find $(BUILD) -name '*.gcda' -delete
	-@$(run_tests) $(plain_bin)
	@scripts/coverage.sh $(BUILD)

lint: compdb ## format, lengths, clang-tidy
	@BUILD=$(BUILD) scripts/lint.sh

format: ## clang-format all C files in place
	@scripts/lint.sh --format

# ---------------------------------------------------------------- the rest

.PHONY: compdb install clean offline gen
gen: $(skeletons) $(generated) ## generated headers only

comp_dir := $(CURDIR)
define comp_entry
  {"directory": "$(comp_dir)", "file": "$(1)", "command": "$(CC) $(call src_flags,$(1)) -c $(1)"}
endef
compdb: gen ## build/compile_commands.json
	@mkdir -p $(BUILD)
	$(file >$(BUILD)/compile_commands.json.part)$(foreach s,$(all_src),$(file >>$(BUILD)/compile_commands.json.part,$(call comp_entry,$(s))))
	@{ echo '['; grep . $(BUILD)/compile_commands.json.part | sed '$$!s/$$/,/'; echo ']'; } > $(BUILD)/compile_commands.json
	@rm -f $(BUILD)/compile_commands.json.part

offline: ## build/offline/weft: replay, query, report without libbpf
	@$(MAKE) BUILD=$(BUILD)/offline OFFLINE=1 offline-program
.PHONY: offline-program
offline-program: $(program)

pub = $(shell $(CC) -MM -I. -x c runtime/weft.h 2>/dev/null | tr ' \\' '\n\n' | grep '^runtime/')
man = $(sort $(wildcard tui/man/*.[1-8]))
install: all ## PREFIX, DESTDIR, LIBDIR
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include/weft
	$(if $(program),$(Q)install -m 755 $(BUILD)/weft $(DESTDIR)$(PREFIX)/bin/weft)
	$(if $(program),$(Q)ln -sf weft $(DESTDIR)$(PREFIX)/bin/cargo-weft)
	$(if $(program),$(Q)install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d)
	$(if $(program),$(Q)$(BUILD)/weft help --completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/weft)
	$(if $(program),$(Q)$(BUILD)/weft help --completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_weft)
	$(if $(program),$(Q)$(BUILD)/weft help --completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/weft.fish)
	$(if $(extension),$(Q)install -D -m 755 $(BUILD)/weft_events.so $(DESTDIR)$(LIBDIR)/weft/weft_events.so)
	$(if $(lib_runtime),$(Q)install -m 644 $(BUILD)/libweft.a $(DESTDIR)$(LIBDIR)/libweft.a)
	$(if $(lib_runtime),$(Q)install -m 755 $(BUILD)/libweft.so.0 $(DESTDIR)$(LIBDIR)/libweft.so.0)
	$(if $(lib_runtime),$(Q)ln -sf libweft.so.0 $(DESTDIR)$(LIBDIR)/libweft.so)
# The loader looks into /usr/local/lib by its cache only; who is not root has to set LD_LIBRARY_PATH.
	$(if $(DESTDIR),,$(if $(lib_runtime),$(Q)PATH="$$PATH:/usr/sbin:/sbin" ldconfig 2> /dev/null || :))
	$(if $(lib_runtime),$(Q)install -m 644 $(BUILD)/weft.pc $(DESTDIR)$(LIBDIR)/pkgconfig/weft.pc)
	$(Q)for h in $(pub); do install -D -m 644 $$h $(DESTDIR)$(PREFIX)/include/weft/$$h; done
	$(Q)test ! -f runtime/weft.h || echo '#include "runtime/weft.h"' > $(DESTDIR)$(PREFIX)/include/weft/weft.h
	$(Q)for m in $(man); do install -D -m 644 $$m $(DESTDIR)$(PREFIX)/share/man/man$${m##*.}/$${m##*/}; done
	$(if $(man3),$(Q)install -d $(DESTDIR)$(PREFIX)/share/man/man3)
	$(if $(man3),$(Q)install -m 644 $(BUILD)/man/man3/*.3 $(DESTDIR)$(PREFIX)/share/man/man3)

clean: ## remove build/
	$(Q)rm -rf $(BUILD)

-include $(patsubst %.o,%.d,$(fuzz_main) $(call obj,$(all_src)) $(list_shared) $(list_extension) $(call pic,$(extension_src)))
-include $(bpf_src:probes/bpf/%.bpf.c=$(BUILD)/bpf/%.bpf.d)
