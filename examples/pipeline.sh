#!/bin/sh
# A pipeline in two stages: the jobs of the second begin when those of the first are done.
#
#     flux start -s4 examples/pipeline.sh DIRECTORY
set -eu
directory=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

find "$directory" -name '*.py' -type f | sort >"$work/files"
echo "stage 1: word counts of $(wc -l <"$work/files") files"
flux mini bulksubmit --wait --quiet --output="$work/{seq}.count" wc -w {} <"$work/files"

echo "stage 2: the sum of them"
id=$(flux mini submit sh -c "cat $work/*.count | awk '{ words += \$1 } END { print words }'")
flux job attach "$id"
