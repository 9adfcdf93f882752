#!/bin/bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: The gpt2-tools authors
# two_hosts.sh: two hosts, made of network namespaces with a cable between them and names of their own, two ranks on each,
# give the same bits as one process. Skipped (77) without the right to make them.
source "$(dirname "$0")/ranks.bash"

left=left$$ right=right$$ address=10.77.0
if ! ip netns add "$left" 2>/dev/null; then
  echo 'skipped: no right to make network namespaces, or no ip (Debian package iproute2)' >&2
  exit 77
fi
clean_up() {
  ip netns delete "$left"
  ip netns delete "$right" 2>/dev/null
  rm -rf "$work"
}
trap clean_up EXIT
ip netns add "$right"
ip link add "v$left" netns "$left" type veth peer name "v$right" netns "$right"
ip -n "$left" address add "$address.1/24" dev "v$left"
ip -n "$right" address add "$address.2/24" dev "v$right"
for host in "$left" "$right"; do
  ip -n "$host" link set lo up
  ip -n "$host" link set "v$host" up
done

# What mpirun starts its daemon on the other host with, in the place of ssh: agent ADDRESS COMMAND...
cat >agent <<END
#!/bin/bash
shift
exec ip netns exec $right unshare --uts sh -c "hostname $right && cd $work && \$*"
END
chmod +x agent
two_hosts() {  # RUN
  timeout 20 ip netns exec "$left" mpirun --host "$address.1:2,$address.2:2" --mca plm_rsh_agent "$work/agent" -x PATH -x LD_LIBRARY_PATH \
    --mca btl tcp,self --mca oob_tcp_if_include "$address.0/24" --mca btl_tcp_if_include "$address.0/24" \
    gpt2-train -q "${shape[@]}" --max-steps 12 --threads 1 --save-every-steps 0 --out "$1" 2>words
}
gpt2-train -q "${shape[@]}" --max-steps 12 --threads 1 --save-every-steps 0 --out one
two_hosts two || fail "two hosts: exit code $?: $(<words)"
cmp <(metrics one) <(metrics two) || fail 'other metrics on two hosts'
cmp one/checkpoints/final/model.safetensors two/checkpoints/final/model.safetensors || fail 'other weights on two hosts'
