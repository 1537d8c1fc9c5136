#!/bin/bash -eu
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds every fuzz target for OSS-Fuzz, with its seeds. OSS-Fuzz runs it in the checkout, and sets
# CC, CXX, CFLAGS, OUT, and LIB_FUZZING_ENGINE, the flag or file that links the engine. CFLAGS has
# the sanitizers.
make -f fixtures/fixtures.mk ARCH=x86_64 corpus
make -f loader/loader.mk MISSING=quiet HOSTCC=gcc HOST_SANITIZE= build/host/fuzz-seeds
make -f loader/loader.mk MISSING=quiet FUZZCC="$CC" FUZZ_FLAGS="$CFLAGS" \
	FUZZ_LINK="$CFLAGS $LIB_FUZZING_ENGINE" FUZZ_LINKER="${CXX:-$CC}" fuzz
ci/fuzz.sh seeds "$OUT/seeds"
for target in $(make -s -f loader/loader.mk MISSING=quiet fuzz-targets); do
	cp "build/host/fuzz-$target" "$OUT/$target"
	zip -qj "$OUT/${target}_seed_corpus.zip" "$OUT/seeds/$target"/*
done
rm -rf "$OUT/seeds"
