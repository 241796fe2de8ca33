#!/bin/sh
# The tests of Holdall on this machine's GPU.
#   run.sh            all tests, a line each, and "N passed, N failed" at the end
#   run.sh bench      tables of times
#   run.sh sanitize   tests of kernels under compute-sanitizer, where there is one
# HOLDALL_DEVICE is the device to test; cuda:0 if it is not set.
cd "$(dirname "$0")" || exit 2
: "${HOLDALL_DEVICE:=cuda:0}"
: "${HOLDALL_CACHE:=${TMPDIR:-/tmp}/holdall-bundle-cache}"
export HOLDALL_DEVICE HOLDALL_CACHE
out=$(mktemp -d) || exit 2
trap 'rm -rf "$out"' EXIT

# The default model, when all of its parts are here.
join_model() {
    for first in model/*.part-001-of-*; do
        [ -e "$first" ] || return 1
        name=${first%.part-001-of-*}
        of=${first##*-of-}
        [ -e "$name" ] && continue
        [ "$(ls "$name".part-*-of-"$of" | wc -l)" -eq "$(expr "$of" + 0)" ] || return 1
        cat "$name".part-*-of-"$of" >"$name.tmp" && mv "$name.tmp" "$name" || return 1
    done
}

# Each test's line, with the executable's name before it; what failed says why at the end.
tests() {
    passed=0 failed=0
    for test in tests/*; do
        [ -x "$test" ] || chmod +x "$test"
        name=$(basename "$test")
        "$@" "$test" >"$out/$name" 2>&1
        code=$?
        grep '^test .* \.\.\. ' "$out/$name" | sed "s/^test /$name /"
        p=$(sed -n 's/^test result: .* \([0-9]*\) passed; .*/\1/p' "$out/$name")
        f=$(sed -n 's/^test result: .* \([0-9]*\) failed; .*/\1/p' "$out/$name")
        passed=$((passed + ${p:-0}))
        failed=$((failed + ${f:-0}))
        if [ "$code" -ne 0 ]; then
            [ "${f:-0}" -gt 0 ] || failed=$((failed + 1))
            echo "--- $name ended with $code"
            grep -v '^test .* \.\.\. ok$' "$out/$name" | tail -n 200
        fi
    done
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

case "${1:-test}" in
test)
    ./holdall doctor || exit 2
    if join_model; then
        if ./holdall generate --model ./model --max-tokens 32 --temperature 0 "The capital of France is"; then
            echo "model ... ok"
        else
            echo "model ... FAILED"
        fi
    fi
    tests
    ;;
bench)
    tests/holdall-cuda-gpu --nocapture --test-threads=1 waiting_is_quick replays_are_cheaper
    if join_model; then ./holdall bench --model ./model; fi
    ;;
sanitize)
    sanitizer=$(command -v compute-sanitizer || ls "${CUDA_HOME:-/usr/local/cuda}"/bin/compute-sanitizer 2>/dev/null)
    if [ -z "$sanitizer" ]; then
        echo "there is no compute-sanitizer on PATH or in CUDA_HOME"
        exit 2
    fi
    status=0
    for tool in memcheck racecheck initcheck synccheck; do
        echo "=== $tool"
        tests "$sanitizer" --tool "$tool" --error-exitcode 9 --target-processes application-only || status=1
    done
    exit $status
    ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
