# pg_reconcile: one extension, two libraries, built by PGXS.
#
#   make, make install      for the PostgreSQL of pg_config (or PG_CONFIG=...); DESTDIR is honoured
#   make demo, demo-stop    everything from packages to a repaired example, in a private cluster
#   make test [PG=17]       all suites on PostgreSQL 15 (or the one named), see test/run
#   make test-matrix        the suites on 15, 16, 17 and 18
#   make sanitize            the suites that run in the server, under AddressSanitizer and UBSan, on 15
#   make bench, make lint
#
# Objects and libraries of each major version have a directory of their own, build/pgNN, so builds for several versions
# do not get in each other's way.

EXTENSION = pg_reconcile
version   := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)
REGRESS   = invariants fdw_options pack_entitlements pack_organizations pack_workspaces pack_team_management pack_team_roles

# --- Commands that prepare the machine themselves, so they must work where PGXS is not there yet.
commands = demo demo-stop test test-matrix sanitize bench lint regress-list
all:
.PHONY: all $(commands)

demo:        ; @scripts/demo.sh start
demo-stop:   ; @scripts/demo.sh stop
test:        ; @PG=$(or $(PG),15) test/run
test-matrix: ; for v in 15 16 17 18; do PG=$$v test/run || failed="$$failed $$v"; done; \
               test -z "$$failed" || { echo "failed on PostgreSQL$$failed"; exit 1; }
sanitize:    ; @SANITIZE=1 test/run --suites pgtap,fault
bench:       ; @bench/run
lint:        ; @scripts/lint.sh
regress-list: ; @echo $(REGRESS)

ifneq ($(filter-out $(commands),$(or $(MAKECMDGOALS),all)),)

# --- Sources: a room of src/ is a directory, and belongs to one library or to both.
room         = $(foreach r,$(1),$(sort $(wildcard src/$(r)/*.cpp)))
plain_rooms  = invariant schema
mongo_rooms  = mongo fdw
plain_source := $(sort $(wildcard src/*.cpp)) $(call room,$(plain_rooms))
mongo_source := $(call room,$(mongo_rooms))
both_source  := $(call room,pg)

out     = build/pg$(MAJORVERSION)$(if $(SANITIZE),-sanitize)
exports = src/pg_reconcile.map
objects = $(patsubst %.cpp,$(out)/%.o,$(1))
plain   = $(call objects,$(plain_source) $(both_source))
mongo   = $(call objects,$(mongo_source) $(both_source))

# C++ that the suites call inside a backend, to test src/pg where it works. make install leaves it out.
probes  = $(out)/$(EXTENSION)_test.so
probe   = $(call objects,$(sort $(wildcard test/backend/*.cpp)) $(both_source))

# --- The install script is assembled: numbered parts, then packs.
script       = sql/$(EXTENSION)--$(version).sql
script_parts = $(sort $(wildcard sql/install/*.sql)) $(sort $(wildcard packs/*.sql))

MODULES     = $(out)/$(EXTENSION) $(out)/$(EXTENSION)_mongo
DATA        = $(filter-out $(script),$(wildcard sql/$(EXTENSION)--*--*.sql))
DATA_built  = $(script)
REGRESS_OPTS = --outputdir=build/regress
EXTRA_CLEAN = $(wildcard build/pg?? build/pg??-sanitize build/test*) build/unit build/regress compile_commands.json

# --- Flags. Headers of others are system headers: their warnings are not ours, ours are errors.
override with_llvm := no
PG_CONFIG ?= pg_config
driver    := $(firstword $(foreach p,mongoc2 libmongoc-1.0,$(shell pkg-config --exists $(p) && echo $(p))))
ifeq ($(driver),)
$(error libmongoc is missing: install Debian's libmongoc-dev, and pkg-config)
endif
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server)
PG_CXXFLAGS = -std=c++17 -Wall -Wextra -Wshadow -Werror

ifdef SANITIZE
PG_CXXFLAGS += -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(call objects,$(mongo_source)): CPPFLAGS += $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(driver)))
$(out)/$(EXTENSION)_mongo.so: LIBRARIES = $(shell pkg-config --libs $(driver))

$(out)/%.o: %.cpp Makefile
	@$(MKDIR_P) $(@D)
	$(CXX) $(CXXFLAGS) $(CFLAGS_SL) $(CPPFLAGS) -MMD -MP -c $< -o $@

-include $(patsubst %.o,%.d,$(sort $(plain) $(mongo) $(probe)))

$(out)/$(EXTENSION).so: $(plain)
$(out)/$(EXTENSION)_mongo.so: $(mongo)
$(probes): $(probe)
$(addsuffix .so,$(MODULES)) $(probes): $(exports)
	$(CXX) -shared $(CXXFLAGS) -o $@ $(filter %.o,$^) $(LDFLAGS) $(LDFLAGS_SL) -Wl,--version-script=$(exports) $(LIBRARIES)

# The directories are prerequisites because a part that was removed leaves no newer file behind.
$(script): $(script_parts) $(EXTENSION).control sql/install $(wildcard packs)
	cat $(script_parts) >$@.new && mv $@.new $@

install-test: installdirs $(if $(wildcard test/backend/*.cpp),$(probes))
	$(if $(wildcard test/backend/*.cpp),$(INSTALL_SHLIB) $(probes) '$(DESTDIR)$(pkglibdir)/')

# PGXS would look for the libraries under the path they are built in.
uninstall: uninstall-libraries
uninstall-libraries:
	rm -f $(patsubst %,'$(DESTDIR)$(pkglibdir)/%$(DLSUFFIX)',$(notdir $(MODULES)))
.PHONY: install-test uninstall-libraries

endif
