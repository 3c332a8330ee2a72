# Trotline. `make run` and `make test` are all a newcomer needs; see README.md.

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

BUILD_PACKAGES = gcc g++ make pkg-config libzmq3-dev libczmq-dev libmsgpack-dev libssl-dev \
	libmicrohttpd-dev liblmdb-dev libsqlite3-dev libjson-c-dev libsimdjson-dev \
	libyaml-dev libcurl4-openssl-dev libzstd-dev supervisor
TEST_PACKAGES = libcriterion-dev python3-pytest python3-pytest-timeout \
	python3-zmq python3-msgpack python3-lmdb python3-venv nodejs curl strace prometheus iproute2 openssl \
	$(if $(shell command -v npm),,npm)
FUZZ_PACKAGES = clang libclang-rt-14-dev python3-msgpack
ENGINE_PACKAGES = libpq-dev libhiredis-dev
# Tests and figures start their own, in folders and on ports of their own.
SERVER_PACKAGES = postgresql-15 postgresql-client-15 redis-server redis-tools pgbouncer nginx-light python3-redis
BENCH_PACKAGES = wrk gunicorn python3-flask python3-zmq python3-msgpack
LINT_PACKAGES = clang-format clang-tidy cppcheck

# Engines with a library of their own. Each is built where pkg-config finds that, and else its *_none.c
# takes its place and says so to who asks for one. WITH="postgres redis" names those that must be;
# WITH=none leaves all out.
ENGINES = postgres redis
postgres_LIB = libpq
postgres_DEB = libpq-dev
postgres_SRC = $(wildcard lib/store/state_postgres*.c)
redis_LIB = hiredis
redis_DEB = libhiredis-dev
redis_SRC = $(wildcard lib/store/seen_redis*.c lib/store/redis*.c)
WITH =
HAVE := $(if $(filter none,$(WITH)),,$(foreach e,$(ENGINES),$(if $(shell pkg-config --exists $($(e)_LIB) && echo yes),$(e))))
$(foreach e,$(filter-out $(HAVE) none,$(WITH)),$(error WITH=$(e): $(if $($(e)_LIB),pkg-config does not \
	find $($(e)_LIB): install $($(e)_DEB),there is no such engine; there are: $(ENGINES))))
LEFT_OUT = $(foreach e,$(ENGINES),$(if $(filter $(e),$(HAVE)),$(filter %_none.c,$($(e)_SRC)),$(filter-out %_none.c,$($(e)_SRC))))
ENGINE_LIBS = $(foreach e,$(HAVE),$($(e)_LIB))

# SAN=1 builds with ASan and UBSan into folders of its own.
ifdef SAN
B = build/san
BIN = bin/san
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=undefined -O1
else ifdef FUZZ
B = build/fuzz
BIN = bin
CC = clang
CXX = clang++
SANITIZE = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -O1
else
B = build/plain
BIN = bin
SANITIZE = -O2 -D_FORTIFY_SOURCE=2
endif

VERSION := $(shell cat VERSION)
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
LIBS = libzmq libczmq libcrypto libmicrohttpd sqlite3 json-c yaml-0.1 libcurl libzstd
WARN = -Wall -Wextra -Werror -Wshadow -Wformat=2 -Wvla -Wundef -Wwrite-strings
CWARN = $(WARN) -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
# Addresses that are chosen anew at each start, tables that are read-only once it has started, and
# no jump to where none was meant.
HARDEN = -fPIE -fstack-protector-strong -fstack-clash-protection \
	$(if $(filter x86_64,$(shell uname -m)),-fcf-protection=full)
HARDEN_LINK = -pie -Wl,-z,relro,-z,now,-z,noexecstack
ENGINE_CFLAGS := $(if $(HAVE),$(shell pkg-config --cflags-only-I $(ENGINE_LIBS)))
COMMON = -I. $(ENGINE_CFLAGS) -g $(HARDEN) -D_GNU_SOURCE -DTROTLINE_VERSION='"$(VERSION)"' $(SANITIZE)
CFLAGS = -std=c17 $(CWARN) $(COMMON)
CXXFLAGS = -std=c++17 $(WARN) $(COMMON)
LDLIBS = $(HARDEN_LINK) -Wl,--as-needed $(shell pkg-config --libs $(LIBS) $(ENGINE_LIBS)) $(if $(filter redis,$(HAVE)),-lssl) -lresolv -lmsgpackc -llmdb -lsimdjson -lstdc++ -lpthread -lm

STAGES = $(patsubst %/main.c,%,$(filter-out cli/%,$(wildcard */main.c)))
KIT = $(addprefix handlers/,kit.c group.c hand.c input.c message.c recipient.c suppression.c archive.c)
HANDLERS = $(patsubst handlers/%.c,%,$(filter-out $(KIT) $(wildcard handlers/_*.c),$(wildcard handlers/*.c)))

obj = $(patsubst %,$B/%.o,$(basename $(1)))
LIB_OBJ = $(call obj,$(filter-out $(LEFT_OUT),$(wildcard lib/*/*.c lib/*/*.cc proto/*.c providers/*.c)))
stage_obj = $(call obj,$(wildcard $(1)/*.c))
KIT_OBJ = $(call obj,$(KIT))
# What decides lives apart from main.c, so that the unit tests link it.
PURE_OBJ = $(call obj,$(filter-out %/main.c,$(sort $(wildcard $(addsuffix /*.c,$(STAGES) forward))))) $(KIT_OBJ)

PROGRAMS = $(addprefix $(BIN)/trotline-,$(STAGES) $(addprefix handler-,$(HANDLERS))) $(BIN)/trotline
# Tests of an engine that is not built are not, either; `make test` builds all.
UNIT_SRC = $(filter-out $(foreach e,$(filter-out $(HAVE),$(ENGINES)),$(wildcard tests/unit/test_*$(e)*.c)),$(wildcard tests/unit/*.c))

BENCH_PROGRAMS = $(patsubst bench/%.c,$(BIN)/bench-%,$(wildcard bench/*.c))

.PHONY: all run test unit e2e bench fuzz lint format clean deps test-deps bench-deps lint-deps fuzz-deps
all: $(PROGRAMS)

$B/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$B/%.o: %.cc Makefile VERSION
	@mkdir -p $(@D)
	@echo "  CXX     $<"
	@$(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<

# Which engines the library has; it is made anew when they are others.
$B/engines: FORCE
	@mkdir -p $(@D)
	@echo '$(HAVE)' | cmp -s - $@ || echo '$(HAVE)' > $@
.PHONY: FORCE

$B/libtrotline.a: $(LIB_OBJ) $B/engines
	@rm -f $@
	@$(AR) rcs $@ $(LIB_OBJ)

define stage_rule
$(BIN)/trotline-$(1): $(call stage_obj,$(1)) $B/libtrotline.a
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CC) $$(CFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach s,$(STAGES),$(eval $(call stage_rule,$(s))))

$(BIN)/trotline-handler-%: $B/handlers/%.o $(KIT_OBJ) $B/libtrotline.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(BIN)/trotline: $(call stage_obj,cli) $B/libtrotline.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(BIN)/bench-%: $B/bench/%.o $B/libtrotline.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(BIN)/unit-tests: $(call obj,$(UNIT_SRC) tests/fuzz/targets.c) $(PURE_OBJ) $B/libtrotline.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS) -lcriterion

# Installs what is missing, builds, and starts the pipeline in the foreground.
run: deps
	@$(MAKE) --no-print-directory $(JOBS) all
	@test -e trotline.yaml || { cp deploy/trotline.yaml . && \
		echo "Made trotline.yaml, a copy of deploy/trotline.yaml"; }
	@exec $(BIN)/trotline up

deps:
	@deploy/need-packages $(BUILD_PACKAGES)
test-deps: deps
	@deploy/need-packages --no-services $(ENGINE_PACKAGES) $(SERVER_PACKAGES) $(TEST_PACKAGES)
lint-deps:
	@deploy/need-packages $(BUILD_PACKAGES) $(ENGINE_PACKAGES) $(LINT_PACKAGES)

# All tests. The sanitizer build is a second one, in folders of its own.
test: test-deps
	@$(MAKE) --no-print-directory $(JOBS) WITH="$(ENGINES)" all
	@$(MAKE) --no-print-directory $(JOBS) WITH="$(ENGINES)" SAN=1 all bin/san/unit-tests
	@tests/run

unit: bin/unit-tests
	bin/unit-tests

e2e: all
	/usr/bin/python3 -m pytest -q tests/e2e

# Measures; see docs/performance.md. ONLY=accept,through runs some, QUICK=1 shorter.
bench: bench-deps
	@$(MAKE) --no-print-directory $(JOBS) WITH="$(ENGINES)" all $(BENCH_PROGRAMS)
	@/usr/bin/python3 bench/run.py

bench-deps: deps
	@deploy/need-packages --no-services $(ENGINE_PACKAGES) $(SERVER_PACKAGES) $(BENCH_PACKAGES)

# Feeds every parser with what a fuzzer invents, so many seconds each. `make test` replays what it
# once found.
SECONDS = 30
fuzz: fuzz-deps
	@$(MAKE) --no-print-directory FUZZ=1 bin/fuzz
	@SECONDS_EACH=$(SECONDS) TARGETS="$(TARGETS)" tests/fuzz/run

fuzz-deps:
	@deploy/need-packages $(BUILD_PACKAGES) $(ENGINE_PACKAGES) $(FUZZ_PACKAGES)

bin/fuzz: $(call obj,tests/fuzz/fuzz.c tests/fuzz/targets.c) $B/libtrotline.a
	@mkdir -p $(@D)
	@echo "  LINK    $@"
	@$(CXX) $(CXXFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

C_FILES = $(shell git ls-files '*.c' '*.h' '*.cc')
LINT_C = $(filter %.c,$(filter-out tests/% bench/%,$(C_FILES)))
lint: lint-deps
	tests/rooms
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck -j2 -I. --quiet --std=c11 --error-exitcode=1 --inline-suppr --suppress=missingIncludeSystem --library=tests/cppcheck.cfg \
		--enable=warning,performance,portability -D_GNU_SOURCE $(LINT_C)
	printf '%s\n' $(LINT_C) | xargs -P $$(nproc) -n 8 sh -c 'clang-tidy --quiet "$$@" -- -std=c17 \
		-I. -Ihandlers $(ENGINE_CFLAGS) -D_GNU_SOURCE -DTROTLINE_VERSION=__FILE__' sh # any text does for the version

format:
	clang-format -i $(C_FILES)

clean:
	rm -rf build bin

-include $(shell find build -name '*.d' 2>/dev/null)
.SECONDARY:
