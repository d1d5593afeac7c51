#!/bin/sh
# The namespace with 30 days of history, and the search attribute that shows where a booking stands. A message that
# is delivered again must find its workflow for longer than Stripe can repeat it. Safe to run again.
# Reads TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, as Temporal's own command line does.
set -eu

retention=720h
tries=60

# The server listens before it serves, and a new namespace takes some seconds to be known everywhere. What is said of
# that is shown only by the last attempt.
again() {
  left=$tries
  until said=$("$@" 2>&1); do
    left=$((left - 1))
    if [ "$left" -eq 0 ]; then
      echo "$said" >&2
      echo "Gave up: $*" >&2
      exit 1
    fi
    sleep 2
  done
}

has_namespace() {
  temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE"
}

make_namespace() {
  has_namespace || temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
}

keep_history() {
  temporal operator namespace update --namespace "$TEMPORAL_NAMESPACE" --retention "$retention"
}

has_attribute() {
  temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE" | grep -q BookingStatus
}

make_attribute() {
  has_attribute ||
    temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name BookingStatus --type Keyword
}

again temporal operator cluster health
again make_namespace
again keep_history
again make_attribute
echo "Namespace $TEMPORAL_NAMESPACE: history for $retention, search attribute BookingStatus."
