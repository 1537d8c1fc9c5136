#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs all tests on a Kubernetes cluster and prints the verdict. Exit status: that of the verdict.
# The volume of ci/kubernetes/volume.yaml must have a clone in checkout/ and no results/.
#
# Usage: ci/kubernetes/run.sh [OPTION...]     (options of kubectl, such as --namespace=tests)
set -eu
cd "$(dirname "$0")"

# Waits until a job has succeeded or failed. The watch ends with the first line that says so.
wait_for() {
	kubectl "$@" --output='jsonpath={.status.conditions[*].type}{"\n"}' --watch |
		grep -q -m1 'Complete\|Failed'
}

kubectl "$@" delete --ignore-not-found job/hermit-tests job/hermit-verdict
kubectl "$@" apply -f volume.yaml -f tests.yaml
wait_for "$@" get job/hermit-tests
kubectl "$@" apply -f verdict.yaml
wait_for "$@" get job/hermit-verdict
kubectl "$@" logs job/hermit-verdict
kubectl "$@" wait --for=condition=complete --timeout=0 job/hermit-verdict
